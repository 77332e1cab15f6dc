//! Small symmetric matrices.

/// L of a positive definite A = L Lᵀ.
pub(super) struct Cholesky(Vec<Vec<f64>>);

impl Cholesky {
    /// `None` where the matrix is not positive definite.
    pub fn of(matrix: &[Vec<f64>]) -> Option<Self> {
        let size = matrix.len();
        let mut lower = vec![vec![0.0; size]; size];
        for row in 0..size {
            for column in 0..=row {
                let dot: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
                let rest = matrix[row][column] - dot;
                lower[row][column] = match row == column {
                    true if rest > 0.0 => rest.sqrt(),
                    true => return None,
                    false => rest / lower[column][column],
                };
            }
        }
        Some(Self(lower))
    }

    /// vᵀ A⁻¹ v = |L⁻¹ v|².
    pub fn square(&self, vector: &[f64]) -> f64 {
        let mut solved: Vec<f64> = Vec::with_capacity(vector.len());
        for (row, value) in self.0.iter().zip(vector) {
            let dot: f64 = row.iter().zip(&solved).map(|(a, b)| a * b).sum();
            let diagonal = row[solved.len()];
            solved.push((value - dot) / diagonal);
        }
        solved.iter().map(|v| v * v).sum()
    }
}

/// Eigenvectors of a symmetric matrix, as columns, by Jacobi's rotations.
pub(super) fn eigenvectors(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = matrix.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(i == j)).collect()).collect();
    // Eight features need about six sweeps; the bound is for what cannot be.
    for _ in 0..50 {
        let off: f64 = (0..size)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| matrix[i][j].powi(2))
            .sum();
        if off < 1e-20 {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    vectors
}

#[expect(clippy::needless_range_loop, reason = "rows and columns of two matrices at once")]
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if matrix[p][q].abs() < 1e-15 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    for k in 0..matrix.len() {
        let (a, b) = (matrix[k][p], matrix[k][q]);
        (matrix[k][p], matrix[k][q]) = (cosine * a - sine * b, sine * a + cosine * b);
    }
    for k in 0..matrix.len() {
        let (a, b) = (matrix[p][k], matrix[q][k]);
        (matrix[p][k], matrix[q][k]) = (cosine * a - sine * b, sine * a + cosine * b);
    }
    for row in vectors {
        let (a, b) = (row[p], row[q]);
        (row[p], row[q]) = (cosine * a - sine * b, sine * a + cosine * b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_by_hand() {
        let cholesky = Cholesky::of(&[vec![4.0, 2.0], vec![2.0, 3.0]]).unwrap();
        // The inverse is [3, -2; -2, 4] / 8, whose entries add up to 3 / 8.
        assert!((cholesky.square(&[1.0, 1.0]) - 3.0 / 8.0).abs() < 1e-12);
        assert!(Cholesky::of(&[vec![1.0, 2.0], vec![2.0, 1.0]]).is_none());
    }

    #[test]
    fn eigenvectors_make_a_matrix_diagonal() {
        let matrix = vec![vec![2.0, 1.0, 0.5], vec![1.0, 3.0, -0.4], vec![0.5, -0.4, 1.0]];
        let vectors = eigenvectors(matrix.clone());
        let product = |i: usize, j: usize| -> f64 {
            (0..3)
                .flat_map(|a| (0..3).map(move |b| (a, b)))
                .map(|(a, b)| vectors[a][i] * matrix[a][b] * vectors[b][j])
                .sum()
        };
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            assert!(product(i, j).abs() < 1e-9);
        }
        let trace: f64 = (0..3).map(|i| product(i, i)).sum();
        assert!((trace - 6.0).abs() < 1e-9);
    }
}
