//! What stands in buckets without data.

use super::Values;
use crate::model::Fill;

/// Fills the empty ones of the first `begun` buckets; what is still to come stays empty.
pub fn fill(mut values: Values, fill: Fill, begun: usize) -> Values {
    let mut before = None;
    for value in values.iter_mut().take(begun) {
        *value = match fill {
            Fill::None => *value,
            Fill::Previous => value.or(before),
            Fill::Zero => value.or(Some(0.0)),
        };
        before = *value;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_up_to_now() {
        let values = || vec![None, Some(2.0), None, None, Some(0.0), None, None];
        assert_eq!(fill(values(), Fill::None, 6), values());
        let previous = [None, Some(2.0), Some(2.0), Some(2.0), Some(0.0), Some(0.0), None];
        assert_eq!(fill(values(), Fill::Previous, 6), previous);
        let zero = [Some(0.0), Some(2.0), Some(0.0), Some(0.0), Some(0.0), Some(0.0), None];
        assert_eq!(fill(values(), Fill::Zero, 6), zero);
        assert_eq!(fill(values(), Fill::Zero, 99).last(), Some(&Some(0.0)));
    }
}
