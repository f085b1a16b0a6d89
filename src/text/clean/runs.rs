//! All maximal scoring subsequences, after Ruzzo and Tompa, "A linear time algorithm for
//! finding all maximal scoring subsequences" (ISMB 1999).

use std::ops::Range;

/// A stretch of a sequence of scores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Indices of the scores.
    pub range: Range<usize>,
    /// Their sum.
    pub score: f32,
}

/// The disjoint stretches whose sums cannot be raised by growing or shrinking them, in order.
pub(super) fn maximal_runs(scores: &[f32]) -> Vec<Run> {
    // Of each candidate: its indices, the sum of everything in front of it, and the sum up to
    // its end.
    struct Candidate {
        range: Range<usize>,
        before: f64,
        through: f64,
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut sum = 0.0;
    for (at, &score) in scores.iter().enumerate() {
        let before = sum;
        sum += f64::from(score);
        if score <= 0.0 {
            continue;
        }
        let mut new = Candidate {
            range: at..at + 1,
            before,
            through: sum,
        };
        // The nearest candidate that starts lower; everything from it on is one stretch when
        // it also ends lower. Candidates in between that start higher never matter again.
        let mut depth = candidates.len();
        while let Some(below) = depth.checked_sub(1) {
            let other = &candidates[below];
            if other.before >= new.before {
                depth = below;
                continue;
            }
            if other.through >= new.through {
                break;
            }
            new = Candidate {
                range: other.range.start..new.range.end,
                before: other.before,
                through: new.through,
            };
            candidates.truncate(below);
            depth = below;
        }
        candidates.push(new);
    }
    candidates
        .into_iter()
        .map(|found| Run {
            range: found.range,
            score: (found.through - found.before) as f32,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(scores: &[f32]) -> Vec<(usize, usize)> {
        let runs = maximal_runs(scores);
        runs.into_iter()
            .map(|run| (run.range.start, run.range.end))
            .collect()
    }

    #[test]
    fn the_example_of_the_paper() {
        let scores = [4.0, -5.0, 3.0, -3.0, 1.0, 2.0, -2.0, 2.0, -2.0, 1.0, 5.0];
        assert_eq!(ranges(&scores), [(0, 1), (2, 3), (4, 11)]);
    }

    #[test]
    fn a_gap_is_bridged_when_both_sides_outweigh_it() {
        assert_eq!(ranges(&[30.0, -6.0, 40.0]), [(0, 3)]);
        assert_eq!(ranges(&[30.0, -36.0, 40.0]), [(0, 1), (2, 3)]);
        assert_eq!(ranges(&[-1.0, 0.0]), []);
    }

    proptest! {
        #[test]
        fn the_best_stretch_is_among_them(scores in prop::collection::vec(-9i8..9, 1..40)) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut best = 0.0f32;
            for from in 0..scores.len() {
                for to in from..scores.len() {
                    best = best.max(scores[from..=to].iter().sum());
                }
            }
            let runs = maximal_runs(&scores);
            let found = runs.iter().map(|run| run.score).fold(0.0, f32::max);
            prop_assert!((found - best).abs() < 1e-3);
            prop_assert!(runs.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        }
    }
}
