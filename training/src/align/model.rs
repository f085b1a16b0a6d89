//! Word alignment in both directions at once: IBM model 2 with a diagonal prior (Dyer,
//! Chahuneau and Smith 2013, "A Simple, Fast, and Effective Reparameterization of IBM
//! Model 2"), on pieces.
//!
//! Every pair of pieces that meets in a sentence pair has one [`Cell`] with the translation
//! probabilities of both directions, and a sentence pair keeps the cell numbers of its grid,
//! so that one round of expectation maximisation reads and writes plain arrays.

use rustc_hash::FxHashMap;

/// Probability that a piece translates nothing.
const NULL: f32 = 0.08;

/// How strongly positions follow the diagonal.
const TENSION: f32 = 4.0;

/// Steps of the table of `exp(-TENSION · distance)`.
const STEPS: usize = 512;

/// Dirichlet prior of the variational estimate, which keeps rare pieces from translating
/// everything.
const PRIOR: f64 = 0.01;

/// A teacher sentence and its translation, as ids; neither is empty.
#[derive(Debug, Clone, Copy)]
pub struct Sentences<'a> {
    /// English, teacher pieces.
    pub teacher: &'a [u16],
    /// The translation, student pieces.
    pub other: &'a [u16],
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// p(student | teacher).
    forward: f32,
    /// p(teacher | student).
    backward: f32,
    /// Expected counts of this round.
    forward_count: f32,
    backward_count: f32,
}

/// Translation probabilities learned from sentence pairs.
pub struct Aligner {
    cells: Vec<Cell>,
    /// Teacher and student piece of each cell.
    pieces: Vec<(u16, u16)>,
    /// Cell numbers of all grids, student positions outside, teacher positions inside.
    grid: Vec<u32>,
    /// Start of each sentence pair's grid.
    starts: Vec<usize>,
    /// p(student | nothing), p(teacher | nothing).
    null_forward: f32,
    null_backward: f32,
    diagonal: Vec<f32>,
}

/// One cell of a grid that both directions believe in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Position of the teacher piece.
    pub teacher: usize,
    /// Position of the student piece.
    pub other: usize,
    /// Product of the two posterior probabilities, between 0 and 1.
    pub weight: f32,
}

/// Working space of one grid.
#[derive(Default)]
struct Grid {
    forward: Vec<f32>,
    backward: Vec<f32>,
    columns: Vec<f32>,
}

impl Aligner {
    /// Learns from `pairs` in `iterations` rounds.
    pub fn train(pairs: &[Sentences<'_>], iterations: usize) -> Self {
        let mut aligner = Self::index(pairs);
        let mut grid = Grid::default();
        for _ in 0..iterations {
            for (number, pair) in pairs.iter().enumerate() {
                aligner.expect(number, *pair, &mut grid);
            }
            aligner.maximise();
        }
        aligner
    }

    /// How many different piece pairs meet.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    fn index(pairs: &[Sentences<'_>]) -> Self {
        let total = pairs
            .iter()
            .map(|pair| pair.teacher.len() * pair.other.len())
            .sum();
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        let (mut grid, mut starts) = (Vec::with_capacity(total), Vec::new());
        let mut pieces = Vec::new();
        for pair in pairs {
            starts.push(grid.len());
            for &other in pair.other {
                for &teacher in pair.teacher {
                    let key = u32::from(teacher) << 16 | u32::from(other);
                    grid.push(*numbers.entry(key).or_insert_with(|| {
                        pieces.push((teacher, other));
                        pieces.len() as u32 - 1
                    }));
                }
            }
        }
        let start = Cell {
            forward: 1e-3,
            backward: 1e-3,
            ..Cell::default()
        };
        Self {
            cells: vec![start; pieces.len()],
            pieces,
            grid,
            starts,
            null_forward: 1e-3,
            null_backward: 1e-3,
            diagonal: (0..=STEPS)
                .map(|step| (-TENSION * step as f32 / STEPS as f32).exp())
                .collect(),
        }
    }

    /// Posterior probabilities of both directions over the grid of a pair. Forward ones add
    /// up to at most 1 per student position, backward ones per teacher position; what is
    /// missing is the null word's.
    fn posteriors(&self, number: usize, pair: Sentences<'_>, grid: &mut Grid) {
        let (rows, columns) = (pair.other.len(), pair.teacher.len());
        let cells = &self.grid[self.starts[number]..][..rows * columns];
        let Grid {
            forward,
            backward,
            columns: column_sums,
        } = grid;
        forward.clear();
        backward.clear();
        column_sums.clear();
        column_sums.resize(2 * columns, 0.0);
        let (column_priors, column_sums) = column_sums.split_at_mut(columns);
        let null = NULL / (1.0 - NULL);
        for (row, cells) in cells.chunks_exact(columns).enumerate() {
            let place = (row as f32 + 0.5) / rows as f32;
            let (mut prior_sum, mut sum) = (0.0, 0.0);
            for (column, &cell) in cells.iter().enumerate() {
                let distance = (place - (column as f32 + 0.5) / columns as f32).abs();
                let prior = self.diagonal[(distance * STEPS as f32) as usize];
                let cell = &self.cells[cell as usize];
                prior_sum += prior;
                column_priors[column] += prior;
                sum += prior * cell.forward;
                column_sums[column] += prior * cell.backward;
                forward.push(prior * cell.forward);
                backward.push(prior * cell.backward);
            }
            sum += null * prior_sum * self.null_forward;
            for value in &mut forward[row * columns..] {
                *value /= sum.max(f32::MIN_POSITIVE);
            }
        }
        for (sum, prior) in column_sums.iter_mut().zip(column_priors) {
            *sum = (*sum + null * *prior * self.null_backward).max(f32::MIN_POSITIVE);
        }
        for row in backward.chunks_exact_mut(columns) {
            for (value, sum) in row.iter_mut().zip(&*column_sums) {
                *value /= sum;
            }
        }
    }

    fn expect(&mut self, number: usize, pair: Sentences<'_>, grid: &mut Grid) {
        self.posteriors(number, pair, grid);
        let start = self.starts[number];
        for (place, (forward, backward)) in grid.forward.iter().zip(&grid.backward).enumerate() {
            let cell = &mut self.cells[self.grid[start + place] as usize];
            cell.forward_count += forward;
            cell.backward_count += backward;
        }
    }

    fn maximise(&mut self) {
        let size = |piece: fn(&(u16, u16)) -> u16| {
            self.pieces
                .iter()
                .map(piece)
                .max()
                .map_or(0, |largest| usize::from(largest) + 1)
        };
        let mut by_teacher = vec![(0.0_f64, 0_u32); size(|pieces| pieces.0)];
        let mut by_other = vec![(0.0_f64, 0_u32); size(|pieces| pieces.1)];
        for (cell, (teacher, other)) in self.cells.iter().zip(&self.pieces) {
            let teacher = &mut by_teacher[usize::from(*teacher)];
            *teacher = (teacher.0 + f64::from(cell.forward_count), teacher.1 + 1);
            let other = &mut by_other[usize::from(*other)];
            *other = (other.0 + f64::from(cell.backward_count), other.1 + 1);
        }
        // The null word says every piece with the same probability.
        let flat =
            |sums: &[(f64, u32)]| 1.0 / sums.iter().filter(|sum| sum.1 > 0).count().max(1) as f32;
        (self.null_forward, self.null_backward) = (flat(&by_other), flat(&by_teacher));
        let totals = |sums: Vec<(f64, u32)>| -> Vec<f64> {
            sums.into_iter()
                .map(|(sum, kinds)| digamma(sum + PRIOR * f64::from(kinds)))
                .collect()
        };
        let (by_teacher, by_other) = (totals(by_teacher), totals(by_other));
        for (cell, (teacher, other)) in self.cells.iter_mut().zip(&self.pieces) {
            let weight =
                |count: f32, total: f64| (digamma(f64::from(count) + PRIOR) - total).exp() as f32;
            cell.forward = weight(cell.forward_count, by_teacher[usize::from(*teacher)]);
            cell.backward = weight(cell.backward_count, by_other[usize::from(*other)]);
            cell.forward_count = 0.0;
            cell.backward_count = 0.0;
        }
    }

    /// The links of sentence pair `number` of those trained on, whose weight is at least
    /// `minimum`, by teacher position.
    pub fn links(&self, number: usize, pair: Sentences<'_>, minimum: f32) -> Vec<Link> {
        let mut grid = Grid::default();
        self.posteriors(number, pair, &mut grid);
        let columns = pair.teacher.len();
        let weights = grid
            .forward
            .iter()
            .zip(&grid.backward)
            .map(|(left, right)| left * right);
        let mut links: Vec<Link> = weights
            .enumerate()
            .filter(|(_, weight)| *weight >= minimum)
            .map(|(place, weight)| Link {
                teacher: place % columns,
                other: place / columns,
                weight,
            })
            .collect();
        links.sort_by_key(|link| (link.teacher, link.other));
        links
    }
}

/// The digamma function: the logarithm of a count under a Dirichlet prior.
fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < 4.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    result + x.ln() - 0.5 / x - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    /// Sentences of random words, translated word by word with ids + 100 and two neighbours
    /// swapped now and then; a word 7 on the other side translates nothing.
    fn toy() -> Vec<(Vec<u16>, Vec<u16>)> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        (0..600)
            .map(|_| {
                let mut words: Vec<u16> = (10..60).collect();
                words.shuffle(&mut random);
                words.truncate(random.random_range(3..9));
                let mut other: Vec<u16> = words.iter().map(|word| word + 100).collect();
                if other.len() > 4 && random.random_bool(0.5) {
                    other.swap(1, 2);
                }
                other.insert(0, 7);
                (words, other)
            })
            .collect()
    }

    fn sentences(corpus: &[(Vec<u16>, Vec<u16>)]) -> Vec<Sentences<'_>> {
        corpus
            .iter()
            .map(|(teacher, other)| Sentences { teacher, other })
            .collect()
    }

    #[test]
    fn a_dictionary_is_recovered() {
        let corpus = toy();
        let pairs = sentences(&corpus);
        let aligner = Aligner::train(&pairs, 5);
        let (mut right, mut wrong, mut words) = (0, 0, 0);
        for (number, pair) in pairs.iter().enumerate() {
            words += pair.teacher.len();
            for link in aligner.links(number, *pair, 0.3) {
                if pair.other[link.other] == pair.teacher[link.teacher] + 100 {
                    right += 1;
                } else {
                    wrong += 1;
                }
            }
        }
        assert!(f64::from(right) > 0.97 * words as f64, "{right} of {words}");
        assert!(f64::from(wrong) < 0.01 * words as f64, "{wrong} of {words}");
    }

    #[test]
    fn posteriors_are_probabilities() {
        let corpus = toy();
        let pairs = sentences(&corpus);
        let aligner = Aligner::train(&pairs, 2);
        let mut grid = Grid::default();
        aligner.posteriors(0, pairs[0], &mut grid);
        let columns = pairs[0].teacher.len();
        for row in grid.forward.chunks(columns) {
            let sum: f32 = row.iter().sum();
            assert!((0.0..1.0001).contains(&sum), "{sum}");
        }
        for column in 0..columns {
            let sum: f32 = grid.backward.iter().skip(column).step_by(columns).sum();
            assert!((0.0..1.0001).contains(&sum), "{sum}");
        }
    }
}
