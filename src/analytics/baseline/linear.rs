//! Weighted least squares over sparse rows, with coefficients that must not be negative and with
//! priors.

/// A row of a sparse matrix: `(column, value)`.
pub type Row = [(usize, f64)];

/// The normal equations `Xᵀ W X β = Xᵀ W y`, added up row by row.
#[derive(Clone, Debug)]
pub struct Normal {
    size: usize,
    matrix: Vec<f64>,
    right: Vec<f64>,
}

/// A solution.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Coefficients; 0 for a column that no row has.
    pub values: Vec<f64>,
    /// Diagonal of `(XᵀWX)⁻¹` of the coefficients that are not held at 0: their variances where the
    /// weights are inverse variances.
    pub variances: Vec<f64>,
}

/// Ridge relative to the diagonal: keeps columns that say the same solvable, and moves nothing else.
const RIDGE: f64 = 1e-9;

impl Normal {
    /// Of so many columns.
    pub fn new(size: usize) -> Self {
        Self { size, matrix: vec![0.0; size * size], right: vec![0.0; size] }
    }

    /// Adds a row with its weight.
    pub fn add(&mut self, row: &Row, y: f64, weight: f64) {
        for &(i, a) in row {
            self.right[i] += weight * a * y;
            for &(j, b) in row {
                self.matrix[i * self.size + j] += weight * a * b;
            }
        }
    }

    /// Adds what is believed of a coefficient before any row: its value, and 1 / variance.
    pub fn believe(&mut self, column: usize, value: f64, precision: f64) {
        self.matrix[column * self.size + column] += precision;
        self.right[column] += precision * value;
    }

    /// Least squares with `β[i] >= 0` where `bounded[i]` (Lawson and Hanson 1974, chapter 23, on the
    /// normal equations). `None` where the numbers are not finite.
    pub fn solve(&self, bounded: &[bool]) -> Option<Solution> {
        let n = self.size;
        let usable: Vec<bool> = (0..n).map(|i| self.matrix[i * n + i] > 0.0).collect();
        let all: Vec<usize> = (0..n).filter(|&i| usable[i]).collect();
        let negative = |x: &[f64], set: &[usize]| set.iter().any(|&i| bounded[i] && x[i] < 0.0);
        let mut x = self.solved(&all)?;
        let mut passive = all.clone();
        if negative(&x, &all) {
            (x, passive) = self.lawson_hanson(&all, bounded)?;
        }
        let variances = self.inverse_diagonal(&passive)?;
        x.iter().all(|v| v.is_finite()).then_some(Solution { values: x, variances })
    }

    fn lawson_hanson(&self, all: &[usize], bounded: &[bool]) -> Option<(Vec<f64>, Vec<usize>)> {
        let n = self.size;
        let mut passive: Vec<usize> = all.iter().copied().filter(|&i| !bounded[i]).collect();
        let mut x = self.solved(&passive)?;
        // Each pass lowers the sum of squares; the bound only guards against rounding.
        for _ in 0..3 * n + 10 {
            let gain = |i: usize| {
                let used: f64 = (0..n).map(|j| self.matrix[i * n + j] * x[j]).sum();
                (self.right[i] - used) / self.matrix[i * n + i].sqrt()
            };
            let scale = all.iter().map(|&i| self.right[i].abs() / self.matrix[i * n + i].sqrt());
            let least = 1e-10 * scale.fold(0.0, f64::max);
            let waiting = all.iter().copied().filter(|i| !passive.contains(i));
            let best = waiting.map(|i| (gain(i), i)).max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, enters)) = best.filter(|(gain, _)| *gain > least) else { break };
            passive.push(enters);
            passive.sort_unstable();
            loop {
                let wanted = self.solved(&passive)?;
                let blocks = |&&i: &&usize| bounded[i] && wanted[i] <= 0.0;
                let step = passive
                    .iter()
                    .filter(blocks)
                    .map(|&i| if x[i] > wanted[i] { x[i] / (x[i] - wanted[i]) } else { 0.0 })
                    .fold(f64::INFINITY, f64::min);
                if step == f64::INFINITY {
                    x = wanted;
                    break;
                }
                for &i in &passive {
                    x[i] += step * (wanted[i] - x[i]);
                }
                let kept =
                    |&i: &usize| !bounded[i] || (x[i] > 0.0 && !(wanted[i] <= 0.0 && x[i] < 1e-14));
                let after: Vec<usize> = passive.iter().copied().filter(kept).collect();
                if after.len() == passive.len() {
                    break;
                }
                for &i in passive.iter().filter(|i| !after.contains(i)) {
                    x[i] = 0.0;
                }
                passive = after;
            }
        }
        Some((x, passive))
    }

    /// Solves for the columns of `set`, the others being 0.
    fn solved(&self, set: &[usize]) -> Option<Vec<f64>> {
        let (factor, scale) = self.cholesky(set)?;
        let right = set.iter().zip(&scale).map(|(&i, s)| self.right[i] / s).collect();
        let mut x = vec![0.0; self.size];
        for ((&i, value), s) in set.iter().zip(back(&factor, right)).zip(&scale) {
            x[i] = value / s;
        }
        Some(x)
    }

    fn inverse_diagonal(&self, set: &[usize]) -> Option<Vec<f64>> {
        let (factor, scale) = self.cholesky(set)?;
        let mut variances = vec![0.0; self.size];
        for (position, (&i, s)) in set.iter().zip(&scale).enumerate() {
            let mut unit = vec![0.0; set.len()];
            unit[position] = 1.0;
            variances[i] = back(&factor, unit)[position] / (s * s);
        }
        Some(variances)
    }

    /// Lower factor of the matrix of `set`, scaled to a diagonal of 1, and the scales.
    fn cholesky(&self, set: &[usize]) -> Option<(Vec<Vec<f64>>, Vec<f64>)> {
        let at = |i: usize, j: usize| self.matrix[i * self.size + j];
        let scale: Vec<f64> = set.iter().map(|&i| at(i, i).sqrt()).collect();
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(set.len());
        for (row, &i) in set.iter().enumerate() {
            let mut line = vec![0.0; row + 1];
            for (column, &j) in set[..=row].iter().enumerate() {
                let ridge = if row == column { RIDGE } else { 0.0 };
                let mut sum = at(i, j) / (scale[row] * scale[column]) + ridge;
                let other: &[f64] = if row == column { &[] } else { &factor[column] };
                for k in 0..column {
                    sum -= line[k] * if row == column { line[k] } else { other[k] };
                }
                line[column] = match row == column {
                    true => sum.max(RIDGE * RIDGE).sqrt(),
                    false => sum / factor[column][column],
                };
            }
            if !line.iter().all(|v| v.is_finite()) {
                return None;
            }
            factor.push(line);
        }
        Some((factor, scale))
    }
}

/// Solves `L Lᵀ x = b`.
fn back(factor: &[Vec<f64>], mut b: Vec<f64>) -> Vec<f64> {
    for row in 0..b.len() {
        let sum: f64 = (0..row).map(|k| factor[row][k] * b[k]).sum();
        b[row] = (b[row] - sum) / factor[row][row];
    }
    for row in (0..b.len()).rev() {
        let sum: f64 = (row + 1..b.len()).map(|k| factor[k][row] * b[k]).sum();
        b[row] = (b[row] - sum) / factor[row][row];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(rows: &[([f64; 2], f64)]) -> Normal {
        let mut normal = Normal::new(2);
        for (x, y) in rows {
            normal.add(&[(0, x[0]), (1, x[1])], *y, 1.0);
        }
        normal
    }

    fn near(got: &[f64], want: &[f64]) {
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{got:?}, not {want:?}");
    }

    #[test]
    fn a_line_through_three_points_by_hand() {
        // y = 1, 3, 4 at x = 0, 1, 2: slope 1.5, intercept 7/6.
        let normal = normal(&[([1.0, 0.0], 1.0), ([1.0, 1.0], 3.0), ([1.0, 2.0], 4.0)]);
        let solution = normal.solve(&[false, false]).unwrap();
        near(&solution.values, &[7.0 / 6.0, 1.5]);
        // (XᵀX)⁻¹ of [[3, 3], [3, 5]] is [[5, -3], [-3, 3]] / 6.
        near(&solution.variances, &[5.0 / 6.0, 0.5]);
    }

    #[test]
    fn what_must_not_be_negative_is_held_at_zero() {
        // Best line: intercept -1, slope 2. Through the origin: Σxy / Σx² = (1 + 6 + 15) / 14.
        let normal = normal(&[([1.0, 1.0], 1.0), ([1.0, 2.0], 3.0), ([1.0, 3.0], 5.0)]);
        near(&normal.solve(&[false, false]).unwrap().values, &[-1.0, 2.0]);
        near(&normal.solve(&[true, true]).unwrap().values, &[0.0, 22.0 / 14.0]);
    }

    #[test]
    fn a_belief_weighs_as_much_as_its_precision() {
        let mut normal = Normal::new(2);
        // Three rows say 4, a belief of precision 1 says 0.
        for _ in 0..3 {
            normal.add(&[(0, 1.0)], 4.0, 1.0);
        }
        normal.believe(0, 0.0, 1.0);
        let solution = normal.solve(&[true, true]).unwrap();
        near(&solution.values, &[3.0, 0.0]);
        near(&solution.variances, &[0.25, 0.0]);
    }
}
