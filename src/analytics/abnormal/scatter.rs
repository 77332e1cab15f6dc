//! A robust correlation matrix.

use super::matrix::eigenvectors;
use crate::analytics::robust;

/// The correlation of columns whose robust scale is about 1: the orthogonalised
/// Gnanadesikan-Kettenring estimate (Maronna and Zamar 2002), with MADs as scales.
///
/// 1. v_ij = (s²(x_i + x_j) - s²(x_i - x_j)) / (s²(x_i + x_j) + s²(x_i - x_j)),
/// 2. the eigenvectors E of v, and the scales s of the rows along each,
/// 3. E diag(s²) Eᵀ, which cannot be indefinite, brought to a diagonal of 1,
/// 4. shrunk to no correlation as if `prior` rows said so.
///
/// Does not see: what is not linear, and clusters of up to half of the rows. Columns without spread
/// are uncorrelated.
pub(super) fn correlation(rows: &[Vec<f64>], columns: usize, prior: f64) -> Vec<Vec<f64>> {
    let scale = |values: Vec<f64>| robust::sigma(&values).unwrap_or(0.0);
    let pairwise = |i: usize, j: usize| {
        if i == j {
            return 1.0;
        }
        let sum = scale(rows.iter().map(|row| row[i] + row[j]).collect()).powi(2);
        let difference = scale(rows.iter().map(|row| row[i] - row[j]).collect()).powi(2);
        match sum + difference > 0.0 {
            true => (sum - difference) / (sum + difference),
            false => 0.0,
        }
    };
    let first: Vec<Vec<f64>> =
        (0..columns).map(|i| (0..columns).map(|j| pairwise(i, j)).collect()).collect();
    let vectors = eigenvectors(first);
    let along = |k: usize| {
        let project = |row: &Vec<f64>| (0..columns).map(|i| row[i] * vectors[i][k]).sum();
        scale(rows.iter().map(project).collect()).powi(2)
    };
    let variances: Vec<f64> = (0..columns).map(along).collect();
    let entry = |i: usize, j: usize| -> f64 {
        (0..columns).map(|k| vectors[i][k] * variances[k] * vectors[j][k]).sum()
    };
    let deviations: Vec<f64> = (0..columns).map(|i| entry(i, i).max(0.0).sqrt()).collect();
    let weight = rows.len() as f64 / (rows.len() as f64 + prior);
    let shrunk = |i: usize, j: usize| {
        let product = deviations[i] * deviations[j];
        match i == j {
            true => 1.0,
            false if product > 1e-12 => weight * (entry(i, j) / product).clamp(-1.0, 1.0),
            false => 0.0,
        }
    };
    (0..columns).map(|i| (0..columns).map(|j| shrunk(i, j)).collect()).collect()
}
