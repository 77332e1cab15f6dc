//! Robust location and scale. Values that are not finite are left out; where nothing is left the
//! answer is `None`.

/// Makes the median absolute deviation of normal data its standard deviation: 1 / Φ⁻¹(3/4).
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Median: the middle value, or the mean of the two middle ones. Sorts `values` in part.
pub fn median(values: &mut Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    let length = values.len();
    if length == 0 {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(length / 2, f64::total_cmp);
    if length % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(lower + (upper - lower) / 2.0)
}

/// Median of a slice that stays as it is.
pub fn median_of(values: &[f64]) -> Option<f64> {
    median(&mut values.to_vec())
}

/// Standard deviation of the bulk: 1.4826 × median |x - median(x)| (Hampel 1974). Sees nothing of up
/// to half of the values, and is 0 where more than half are equal.
pub fn sigma(values: &[f64]) -> Option<f64> {
    let centre = median_of(values)?;
    sigma_about(values, centre)
}

/// The same about a given centre.
pub fn sigma_about(values: &[f64], centre: f64) -> Option<f64> {
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    median(&mut deviations).map(|mad| MAD_TO_SIGMA * mad)
}

/// Share of the deviations that [`scale_of`] covers as a normal distribution would.
const TAIL: f64 = 0.9;
/// The same in standard deviations: Φ⁻¹(0.95).
const TAIL_SIGMAS: f64 = 1.644_853_626_951_472_7;

/// Standard deviation from absolute deviations: 1.4826 × their median, or their .9 quantile / 1.645
/// where that is more. Unlike the first alone it takes tails for usual that a tenth of the values
/// has; it sees nothing of up to a tenth of the values.
pub fn scale_of(mut deviations: Vec<f64>) -> Option<f64> {
    let tail = quantile(&deviations, TAIL)? / TAIL_SIGMAS;
    median(&mut deviations).map(|middle| (MAD_TO_SIGMA * middle).max(tail))
}

/// The value below which a share of the values lies, 0 to 1, by linear interpolation between order
/// statistics (type 7 of Hyndman and Fan 1996).
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64))
}

/// Mean of what is finite.
pub fn mean(values: &[f64]) -> Option<f64> {
    let (sum, count) = values
        .iter()
        .filter(|value| value.is_finite())
        .fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        assert_eq!(median_of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median_of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median_of(&[f64::NAN, 7.0]), Some(7.0));
        assert_eq!(median_of(&[]), None);
        // Deviations from 3 are 2, 1, 0, 1, 97: their median is 1.
        assert_eq!(sigma(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some(MAD_TO_SIGMA));
        assert_eq!(quantile(&[10.0, 20.0, 30.0, 40.0], 0.5), Some(25.0));
        assert_eq!(quantile(&[10.0, 20.0, 30.0], 1.0), Some(30.0));
        assert_eq!(mean(&[1.0, f64::INFINITY, 3.0]), Some(2.0));
    }
}
