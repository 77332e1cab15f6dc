//! Several sensors as one: exponentially weighted means of their deviations, measured in the metric of
//! what usually varies together.

use super::robust;

/// Smoothing of the charts: the present alone, about 6 cells, about 19 cells (2/λ - 1).
pub const SMOOTHING: [f64; 3] = [1.0, 0.3, 0.1];
/// Deviations are cut at so many sigmas before the covariance is estimated, so that what was abnormal
/// in the past does not count as what varies.
const CLIP: f64 = 4.0;
/// Added to each variance (which is about 1): keeps sensors that repeat each other invertible.
const RIDGE: f64 = 1e-6;
/// Parts of the past, each of which is judged by the others.
const FOLDS: usize = 5;
/// Share of the past below the limit, where it was judged by the rest of the past.
const SHARE: f64 = 0.99;
/// Standard errors of a variance that the limit is widened by. That of n independent samples is √(2/n)
/// of itself, and a mean with memory has n·λ/(2-λ) of them.
const ERRORS: f64 = 3.0;
/// Rows that each sensor needs: a covariance from fewer finds directions in which nothing varies.
pub const ROWS_A_SENSOR: usize = 8;
/// Rows that are needed in any case.
pub const FEWEST_ROWS: usize = 200;

/// What usually varies together, fitted to the past.
///
/// T² = eᵀ S⁻¹ e / v with e the EWMA of the deviations less their mean, S the covariance of the
/// deviations, and v the variance of the EWMA's weights, v ← (1-a)² v + a² (multivariate EWMA of
/// Lowry, Woodall, Champ and Rigdon 1992, with the exact variance of its start). S is not shrunk: what
/// tells a fault is mostly in the directions that usually hardly vary.
///
/// The limit of a chart is the 99th percentile of T² over the past, where each fifth of the past is
/// judged by the other four, times 1 + 3·√(2 (2-λ) / (n λ)), so that a short past is not taken for all
/// that can happen. Unit: none. Invariant under every invertible linear map of the sensors.
///
/// Does not see: what was there in all of the past, sensors that never change, changes of the
/// correlation that leave every sum of deviations small.
#[derive(Clone, Debug)]
pub struct Model {
    sensors: usize,
    mean: Vec<f64>,
    /// Inverse of the Cholesky factor of S, row by row, below the diagonal and on it.
    whitening: Vec<f64>,
    limits: [f64; SMOOTHING.len()],
}

/// Sums of a part of the past.
#[derive(Clone)]
struct Moments {
    rows: f64,
    sums: Vec<f64>,
    /// Products, lower triangle, row by row.
    products: Vec<f64>,
}

impl Moments {
    fn of(rows: &[f64], sensors: usize) -> Self {
        let mut moments = Self {
            rows: 0.0,
            sums: vec![0.0; sensors],
            products: vec![0.0; sensors * (sensors + 1) / 2],
        };
        let mut clipped = vec![0.0; sensors];
        for row in rows.chunks_exact(sensors) {
            moments.rows += 1.0;
            for (to, value) in clipped.iter_mut().zip(row) {
                *to = value.clamp(-CLIP, CLIP);
            }
            let mut at = 0;
            for (i, a) in clipped.iter().enumerate() {
                moments.sums[i] += a;
                let row = &mut moments.products[at..=at + i];
                for (sum, b) in row.iter_mut().zip(&clipped) {
                    *sum += a * b;
                }
                at += i + 1;
            }
        }
        moments
    }

    fn plus(mut self, other: &Self, sign: f64) -> Self {
        self.rows += sign * other.rows;
        for (a, b) in self.sums.iter_mut().zip(&other.sums) {
            *a += sign * b;
        }
        for (a, b) in self.products.iter_mut().zip(&other.products) {
            *a += sign * b;
        }
        self
    }

    /// Mean and covariance (lower triangle).
    fn estimate(&self) -> (Vec<f64>, Vec<f64>) {
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / self.rows).collect();
        let mut covariance = self.products.clone();
        let mut at = 0;
        for i in 0..mean.len() {
            for (j, entry) in covariance[at..=at + i].iter_mut().enumerate() {
                *entry = *entry / self.rows - mean[i] * mean[j];
            }
            covariance[at + i] += RIDGE;
            at += i + 1;
        }
        (mean, covariance)
    }
}

const fn row_start(row: usize) -> usize {
    row * (row + 1) / 2
}

/// The inverse of the Cholesky factor of a symmetric matrix, both as lower triangles row by row;
/// `None` where the matrix is not positive definite.
fn whitening(mut matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    for i in 0..size {
        for j in 0..=i {
            let (a, b) = (row_start(i), row_start(j));
            let dot: f64 = (0..j).map(|k| matrix[a + k] * matrix[b + k]).sum();
            let rest = matrix[a + j] - dot;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                matrix[a + i] = rest.sqrt();
            } else {
                matrix[a + j] = rest / matrix[b + j];
            }
        }
    }
    let mut inverse = vec![0.0; matrix.len()];
    for j in 0..size {
        inverse[row_start(j) + j] = 1.0 / matrix[row_start(j) + j];
        for i in j + 1..size {
            let a = row_start(i);
            let dot: f64 = (j..i).map(|k| matrix[a + k] * inverse[row_start(k) + j]).sum();
            inverse[a + j] = -dot / matrix[a + i];
        }
    }
    Some(inverse)
}

impl Model {
    /// Fits to rows of standardised deviations, one after another in time, `sensors` in each. `None`
    /// where there are too few rows or a value is not finite.
    pub fn fit(rows: &[f64], sensors: usize) -> Option<Self> {
        let count = rows.len().checked_div(sensors)?;
        if count < FEWEST_ROWS.max(ROWS_A_SENSOR * sensors) {
            return None;
        }
        let fold = count.div_ceil(FOLDS) * sensors;
        let parts: Vec<Moments> =
            rows.chunks(fold).map(|part| Moments::of(part, sensors)).collect();
        let (first, others) = parts.split_first()?;
        let all = others.iter().fold(first.clone(), |sum, part| sum.plus(part, 1.0));
        let mut past: [Vec<f64>; SMOOTHING.len()] = std::array::from_fn(|_| Vec::new());
        for (part, own) in rows.chunks(fold).zip(&parts) {
            let judge = Self::of(&all.clone().plus(own, -1.0), sensors)?;
            let mut track = Track::new(sensors);
            for row in part.chunks_exact(sensors) {
                let statistics = track.push(row, &judge);
                for (values, value) in past.iter_mut().zip(statistics) {
                    values.push(value);
                }
            }
        }
        let mut model = Self::of(&all, sensors)?;
        for (index, values) in past.iter().enumerate() {
            let independent = count as f64 * SMOOTHING[index] / (2.0 - SMOOTHING[index]);
            let margin = 1.0 + ERRORS * (2.0 / independent).sqrt();
            model.limits[index] = robust::quantile(values, SHARE)? * margin;
        }
        model.limits.iter().all(|limit| limit.is_finite() && *limit > 0.0).then_some(model)
    }

    fn of(moments: &Moments, sensors: usize) -> Option<Self> {
        let (mean, covariance) = moments.estimate();
        let whitening = whitening(covariance, sensors)?;
        Some(Self { sensors, mean, whitening, limits: [f64::INFINITY; SMOOTHING.len()] })
    }

    /// Limits of T² of the charts.
    pub fn limits(&self) -> [f64; SMOOTHING.len()] {
        self.limits
    }

    fn squared(&self, means: &[f64], scratch: &mut [f64]) -> f64 {
        for (to, (value, mean)) in scratch.iter_mut().zip(means.iter().zip(&self.mean)) {
            *to = value - mean;
        }
        let mut sum = 0.0;
        let mut rest = self.whitening.as_slice();
        for i in 0..self.sensors {
            let (row, after) = rest.split_at(i + 1);
            rest = after;
            sum += dot(row, &scratch[..=i]).powi(2);
        }
        sum
    }
}

/// Sum of products, in four strands that the processor adds at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut strands = [0.0; 4];
    let (fours_a, rest_a) = a.as_chunks::<4>();
    let (fours_b, rest_b) = b.as_chunks::<4>();
    for (a, b) in fours_a.iter().zip(fours_b) {
        for (strand, (a, b)) in strands.iter_mut().zip(a.iter().zip(b)) {
            *strand += a * b;
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    strands.iter().sum::<f64>() + rest
}

/// The charts as time passes.
#[derive(Clone, Debug)]
pub struct Track {
    means: [Vec<f64>; SMOOTHING.len()],
    variances: [f64; SMOOTHING.len()],
    rows: u32,
    last: [f64; SMOOTHING.len()],
    scratch: Vec<f64>,
}

impl Track {
    /// Without a past.
    pub fn new(sensors: usize) -> Self {
        Self {
            means: std::array::from_fn(|_| vec![0.0; sensors]),
            variances: [0.0; SMOOTHING.len()],
            rows: 0,
            last: [0.0; SMOOTHING.len()],
            scratch: vec![0.0; sensors],
        }
    }

    /// Begins anew: after a gap the past says nothing.
    pub fn forget(&mut self) {
        self.rows = 0;
        self.variances = [0.0; SMOOTHING.len()];
    }

    /// Takes a row of standardised deviations; T² of each chart.
    pub fn push(&mut self, row: &[f64], model: &Model) -> [f64; SMOOTHING.len()] {
        self.rows = self.rows.saturating_add(1);
        self.last = std::array::from_fn(|index| {
            let weight = SMOOTHING[index].max(1.0 / f64::from(self.rows));
            for (mean, value) in self.means[index].iter_mut().zip(row) {
                *mean += (value - *mean) * weight;
            }
            let variance = &mut self.variances[index];
            *variance = (1.0 - weight).powi(2) * *variance + weight.powi(2);
            model.squared(&self.means[index], &mut self.scratch) / *variance
        });
        self.last
    }

    /// Share of its limit of the chart of the present.
    pub fn present(&self, model: &Model) -> f64 {
        self.last[0] / model.limits[0]
    }

    /// Position of the chart that was last the largest share of its limit.
    pub fn worst(&self, model: &Model) -> usize {
        let share = |index: usize| self.last[index] / model.limits[index];
        (0..SMOOTHING.len()).max_by(|&a, &b| share(a).total_cmp(&share(b))).unwrap_or(0)
    }

    /// What each sensor contributes to T² of a chart, e·(S⁻¹e)/v, and its own deviation in sigmas.
    /// The contributions add up to T²; one may be below 0.
    pub fn contributions(&self, chart: usize, model: &Model) -> Vec<(f64, f64)> {
        let size = model.sensors;
        let (means, variance) = (&self.means[chart], self.variances[chart]);
        let centred: Vec<f64> = means.iter().zip(&model.mean).map(|(a, b)| a - b).collect();
        let white: Vec<f64> = (0..size)
            .map(|i| dot(&model.whitening[row_start(i)..=row_start(i) + i], &centred[..=i]))
            .collect();
        (0..size)
            .map(|j| {
                let back: f64 =
                    (j..size).map(|i| model.whitening[row_start(i) + j] * white[i]).sum();
                (centred[j] * back / variance, centred[j] / variance.sqrt())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [-1, 1) that look like chance.
    fn chance(position: u64) -> f64 {
        let mut z = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Two sensors that nearly repeat each other.
    fn twins(rows: u64) -> Vec<f64> {
        (0..rows)
            .flat_map(|row| {
                let common = chance(row);
                [common, common + 0.1 * chance(row + 1_000_000)]
            })
            .collect()
    }

    #[test]
    fn a_factor_by_hand() {
        // [[4, 2], [2, 5]] = L Lᵀ with L = [[2, 0], [1, 2]], whose inverse is [[1/2, 0], [-1/4, 1/2]].
        assert_eq!(whitening(vec![4.0, 2.0, 5.0], 2), Some(vec![0.5, -0.25, 0.5]));
        assert_eq!(whitening(vec![1.0, 2.0, 1.0], 2), None);
    }

    #[test]
    fn t_squared_by_hand() {
        let model = Model {
            sensors: 2,
            mean: vec![1.0, 0.0],
            whitening: vec![0.5, -0.25, 0.5],
            limits: [1.0; 3],
        };
        let mut track = Track::new(2);
        // e = (2, 4): L⁻¹e = (1, 1.5), T² = 3.25.
        assert_eq!(track.push(&[3.0, 4.0], &model), [3.25; 3]);
        let [present, six, _] = track.push(&[3.0, 4.0], &model);
        assert_eq!(present, 3.25);
        // The mean of two: the same e, half the variance.
        assert!((six - 6.5).abs() < 1e-12, "{six}");
        let contributions = track.contributions(0, &model);
        let sum: f64 = contributions.iter().map(|(part, _)| part).sum();
        assert!((sum - 3.25).abs() < 1e-12, "{contributions:?}");
        assert_eq!((contributions[0].1, contributions[1].1), (2.0, 4.0));
    }

    #[test]
    fn twins_that_part_are_seen_although_each_is_as_usual() {
        let model = Model::fit(&twins(1000), 2).unwrap();
        let mut track = Track::new(2);
        let apart = |a: f64, b: f64, track: &mut Track| {
            let t = track.push(&[a, b], &model);
            t[0] / model.limits()[0]
        };
        assert!(apart(0.7, 0.7, &mut track) < 1.0);
        assert!(apart(0.7, -0.7, &mut track) > 10.0);
    }

    #[test]
    fn a_linear_map_of_the_sensors_changes_nothing() {
        let rows = twins(600);
        let mapped: Vec<f64> =
            rows.chunks(2).flat_map(|r| [0.5 * r[0] + 0.1 * r[1], 0.7 * r[1]]).collect();
        let (a, b) = (Model::fit(&rows, 2).unwrap(), Model::fit(&mapped, 2).unwrap());
        for (a, b) in a.limits().iter().zip(b.limits()) {
            assert!((a - b).abs() < 1e-2 * a, "{a} {b}");
        }
    }

    #[test]
    fn too_little_or_unknown_is_no_model() {
        assert!(Model::fit(&twins(100), 2).is_none());
        assert!(Model::fit(&[], 0).is_none());
        let mut rows = twins(600);
        rows[77] = f64::NAN;
        assert!(Model::fit(&rows, 2).is_none());
        // Constant sensors are invertible by the ridge alone, and finite.
        assert!(
            Model::fit(&vec![0.0; 1200], 2)
                .is_none_or(|m| m.limits().iter().all(|l| l.is_finite()))
        );
    }
}
