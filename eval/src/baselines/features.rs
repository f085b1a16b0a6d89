//! Sparse features, stored by column: the order in which both passes of training read them.

use rayon::prelude::*;

/// Features of one row: index and value.
pub type SparseRow = Vec<(u32, f32)>;

/// A sparse matrix in compressed columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

/// Columns that one task of a parallel loop takes.
const BLOCK: usize = 2048;

impl Matrix {
    /// Turns rows with features below `columns` into columns.
    pub fn from_rows(rows: &[SparseRow], columns: usize) -> Self {
        let mut starts = vec![0; columns + 1];
        for &(column, _) in rows.iter().flatten() {
            starts[column as usize + 1] += 1;
        }
        for column in 0..columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut entries = vec![(0, 0.0); starts[columns]];
        for (row, features) in rows.iter().enumerate() {
            for &(column, value) in features {
                entries[next[column as usize]] = (row as u32, value);
                next[column as usize] += 1;
            }
        }
        Self {
            rows: rows.len(),
            starts,
            entries,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.starts.len() - 1
    }

    fn column(&self, column: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[column]..self.starts[column + 1]]
    }

    /// The product with `weights` `[columns, width]`, as `[rows, width]`.
    pub fn times(&self, weights: &[f64], width: usize) -> Vec<f64> {
        let zero = || vec![0.0; self.rows * width];
        let blocks: Vec<Vec<f64>> = weights
            .par_chunks((width * BLOCK * 16).max(1))
            .enumerate()
            .map(|(block, weights)| {
                let mut product = zero();
                for (offset, weights) in weights.chunks_exact(width).enumerate() {
                    for &(row, value) in self.column(block * BLOCK * 16 + offset) {
                        let row = &mut product[row as usize * width..][..width];
                        for (sum, weight) in row.iter_mut().zip(weights) {
                            *sum += f64::from(value) * weight;
                        }
                    }
                }
                product
            })
            .collect();
        // summed in the order of the blocks, so that the threads do not change the result
        blocks.into_iter().fold(zero(), |mut left, right| {
            left.iter_mut()
                .zip(right)
                .for_each(|(left, right)| *left += right);
            left
        })
    }

    /// Adds the product of the transpose with `residuals` `[rows, width]` to `sums`
    /// `[columns, width]`.
    pub fn add_transpose_times(&self, residuals: &[f64], width: usize, sums: &mut [f64]) {
        sums.par_chunks_mut((width * BLOCK).max(1))
            .enumerate()
            .for_each(|(block, sums)| {
                for (offset, sums) in sums.chunks_exact_mut(width).enumerate() {
                    for &(row, value) in self.column(block * BLOCK + offset) {
                        let residuals = &residuals[row as usize * width..][..width];
                        for (sum, residual) in sums.iter_mut().zip(residuals) {
                            *sum += f64::from(value) * residual;
                        }
                    }
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        // [1 0 2]
        // [0 3 0]
        let rows = vec![vec![(0, 1.0), (2, 2.0)], vec![(1, 3.0)]];
        let matrix = Matrix::from_rows(&rows, 3);
        assert_eq!((matrix.rows(), matrix.columns()), (2, 3));
        let weights = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        assert_eq!(matrix.times(&weights, 2), [7.0, 70.0, 6.0, 60.0]);
        let mut sums = vec![1.0; 6];
        matrix.add_transpose_times(&[1.0, 0.0, 0.0, 1.0], 2, &mut sums);
        assert_eq!(sums, [2.0, 1.0, 1.0, 4.0, 3.0, 1.0]);
    }
}
