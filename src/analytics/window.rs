//! The newest values of a series in the order of their size: medians without sorting anew.

use std::collections::VecDeque;

/// A moving window whose values are also kept sorted, as long as they are asked for after each of them:
/// taking a value then costs a search and the moving of what is larger, which for windows of some tens
/// of values is a few nanoseconds. When they are asked for less often, they are sorted then.
#[derive(Clone, Debug, Default)]
pub struct Window {
    order: VecDeque<f64>,
    sorted: Vec<f64>,
    /// Whether `sorted` lacks some of the newest values.
    is_stale: bool,
    /// Whether they were asked for after the newest value.
    was_asked: bool,
}

impl Window {
    /// Takes a value.
    pub fn push(&mut self, value: f64) {
        self.order.push_back(value);
        self.is_stale |= !std::mem::take(&mut self.was_asked);
        if !self.is_stale {
            let at = self.place(value);
            self.sorted.insert(at, value);
        }
    }

    /// Forgets the oldest value.
    pub fn pop(&mut self) {
        if let Some(old) = self.order.pop_front().filter(|_| !self.is_stale) {
            let at = self.place(old);
            // What is not below the old value begins with it.
            if at < self.sorted.len() {
                self.sorted.remove(at);
            }
        }
    }

    fn place(&self, value: f64) -> usize {
        self.sorted.partition_point(|other| other.total_cmp(&value).is_lt())
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.order.clear();
        self.sorted.clear();
        self.is_stale = false;
    }

    /// The values from the smallest to the largest.
    pub fn sorted(&mut self) -> &[f64] {
        self.was_asked = true;
        if std::mem::take(&mut self.is_stale) {
            self.sorted.clear();
            self.sorted.extend(&self.order);
            self.sorted.sort_unstable_by(f64::total_cmp);
        }
        &self.sorted
    }

    /// Median of what is finite.
    pub fn median(&mut self) -> Option<f64> {
        let sorted = self.sorted();
        let first = sorted.iter().position(|value| value.is_finite())?;
        let last = sorted.iter().rposition(|value| value.is_finite())?;
        let finite = &sorted[first..=last];
        let half = finite.len() / 2;
        let upper = finite[half];
        if finite.len() % 2 == 1 {
            return Some(upper);
        }
        let lower = finite[half - 1];
        Some(lower + (upper - lower) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::robust;

    #[test]
    fn the_median_is_that_of_the_newest_values() {
        let values = [3.0, f64::NAN, 1.0, 2.0, -0.0, 0.0, f64::INFINITY, 5.0, 5.0, -7.0, 4.0];
        for every in [1, 2, 3, 5] {
            let mut window = Window::default();
            assert_eq!(window.median(), None);
            for (end, &value) in values.iter().enumerate() {
                window.push(value);
                if window.len() > 4 {
                    window.pop();
                }
                let newest = &values[(end + 1).saturating_sub(4)..=end];
                assert_eq!(window.len(), newest.len());
                if end % every == 0 {
                    assert_eq!(window.median(), robust::median_of(newest));
                    assert_eq!(window.sorted().len(), newest.len());
                }
            }
            window.clear();
            assert!(window.is_empty() && window.sorted().is_empty());
        }
    }
}
