//! How large a statistic usually gets: quantiles of its own past, kept up to date value by value.

use std::collections::VecDeque;

/// Bins to a factor of two: a resolution of about 3 %.
const BITS: u32 = 5;
/// Powers of two that are told apart: 2^-16 to 2^48.
const LOWEST: i64 = -16;
const OCTAVES: usize = 64;
const SHIFT: u32 = 52 - BITS;
const BASE: i64 = (1023 + LOWEST) << BITS;

/// A histogram of magnitudes over a moving window, with bins of equal ratio.
///
/// Does not see: differences below 3 %.
#[derive(Clone, Debug)]
pub struct Tail {
    bins: Vec<u32>,
    order: VecDeque<u16>,
    window: usize,
}

fn bin(value: f64) -> u16 {
    let position = (value.abs().to_bits() >> SHIFT) as i64 - BASE;
    position.clamp(0, (OCTAVES << BITS) as i64 - 1) as u16
}

impl Tail {
    /// Over so many values.
    pub fn new(window: usize) -> Self {
        Self { bins: vec![0; OCTAVES << BITS], order: VecDeque::new(), window: window.max(1) }
    }

    /// Takes the magnitude of a value; one that is not a number is left out.
    pub fn push(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let place = bin(value);
        self.bins[usize::from(place)] += 1;
        self.order.push_back(place);
        if self.order.len() > self.window
            && let Some(old) = self.order.pop_front()
        {
            self.bins[usize::from(old)] -= 1;
        }
    }

    /// Values in the window.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The upper edge of the bin of the value below which this share of the values lies.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.order.len().checked_sub(1)? as u64;
        let above = (((1.0 - share) * self.order.len() as f64).floor() as u64).min(last);
        let mut seen = 0u64;
        for (position, &count) in self.bins.iter().enumerate().rev() {
            seen += u64::from(count);
            if seen > above {
                return Some(f64::from_bits(((position as i64 + 1 + BASE) as u64) << SHIFT));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_moving_window() {
        let mut tail = Tail::new(100);
        assert_eq!(tail.quantile(0.5), None);
        tail.push(f64::NAN);
        for value in 1..=1000 {
            tail.push(f64::from(value));
        }
        assert_eq!(tail.count(), 100);
        // 901 to 1000 are left.
        let half = tail.quantile(0.5).unwrap();
        assert!((950.0..985.0).contains(&half), "{half}");
        let top = tail.quantile(1.0).unwrap();
        assert!((1000.0..1035.0).contains(&top), "{top}");
        let mut small = Tail::new(10);
        small.push(-3.0);
        assert!((3.0..3.1).contains(&small.quantile(0.99).unwrap()));
        small.push(0.0);
        assert!(small.quantile(0.0).unwrap() < 1e-4);
    }
}
