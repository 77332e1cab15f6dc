//! How good a model is, in the figures that energy managers ask for.

/// Figures of a model over some intervals (ASHRAE Guideline 14-2014).
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Intervals that were compared.
    pub n: usize,
    /// Share of the variance that the model explains, `1 - Σ(y-ŷ)² / Σ(y-ȳ)²`; `None` where the
    /// actual energy does not vary.
    pub r2: Option<f64>,
    /// `√(Σ(y-ŷ)² / (n-p)) / ȳ`, p coefficients; `None` where n <= p.
    pub cv_rmse: Option<f64>,
    /// Normalised mean bias `Σ(y-ŷ) / (n ȳ)`: positive where more was used than expected.
    pub nmbe: Option<f64>,
}

/// Compares pairs of actual and expected energy; pairs that are not finite are left out.
/// `coefficients` is 0 for intervals that the model was not fitted to.
pub fn quality(pairs: impl IntoIterator<Item = (f64, f64)>, coefficients: usize) -> Quality {
    let pairs: Vec<(f64, f64)> =
        pairs.into_iter().filter(|(y, e)| y.is_finite() && e.is_finite()).collect();
    let n = pairs.len();
    let mean = pairs.iter().map(|(y, _)| y).sum::<f64>() / n as f64;
    if n == 0 || mean <= 0.0 {
        return Quality { n, ..Quality::default() };
    }
    let squares: f64 = pairs.iter().map(|(y, e)| (y - e).powi(2)).sum();
    let bias: f64 = pairs.iter().map(|(y, e)| y - e).sum();
    let spread: f64 = pairs.iter().map(|(y, _)| (y - mean).powi(2)).sum();
    let freedom = n.checked_sub(coefficients).filter(|left| *left > 0);
    Quality {
        n,
        r2: (spread > 1e-12 * mean * mean * n as f64).then(|| 1.0 - squares / spread),
        cv_rmse: freedom.map(|left| (squares / left as f64).sqrt() / mean),
        nmbe: Some(bias / (n as f64 * mean)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        // Mean 10; residuals 1, -1, 2, 0: squares 6, sum 2; squares about the mean 4 + 4 + 0 + 0.
        let pairs = [(12.0, 11.0), (8.0, 9.0), (10.0, 8.0), (10.0, 10.0), (f64::NAN, 1.0)];
        let got = quality(pairs, 2);
        assert_eq!(got.n, 4);
        assert_eq!(got.r2, Some(1.0 - 6.0 / 8.0));
        assert_eq!(got.cv_rmse, Some(3f64.sqrt() / 10.0));
        assert_eq!(got.nmbe, Some(2.0 / 40.0));
        assert_eq!(quality(pairs, 4).cv_rmse, None);
        assert_eq!(quality([(5.0, 5.0), (5.0, 5.0)], 0).r2, None);
        assert_eq!(quality([], 0), Quality::default());
    }
}
