//! The pieces as a tree, and the best way to write a word with them.

use rustc_hash::FxHashMap;

use super::Piece;

/// The pieces as a tree of letters.
pub struct Tree {
    /// From (node, letter) to node; the root is 0.
    edges: FxHashMap<u64, u32>,
    /// Piece that ends in a node, [`NO_PIECE`] when none does.
    ends: Vec<u32>,
}

const NO_PIECE: u32 = u32::MAX;

impl Tree {
    /// The tree of `pieces`, which are known by their places.
    pub fn new(pieces: &[Piece]) -> Self {
        let mut edges = FxHashMap::default();
        let mut ends = vec![NO_PIECE];
        for (number, piece) in pieces.iter().enumerate() {
            let mut node = 0_u32;
            for &letter in &piece.letters {
                node = *edges
                    .entry(u64::from(node) << 16 | u64::from(letter))
                    .or_insert_with(|| {
                        ends.push(NO_PIECE);
                        ends.len() as u32 - 1
                    });
            }
            ends[node as usize] = number as u32;
        }
        Self { edges, ends }
    }

    /// Calls `found(length, piece)` for every piece that `letters` begins with.
    pub fn prefixes(&self, letters: &[u16], mut found: impl FnMut(usize, usize)) {
        let mut node = 0_u32;
        for (place, &letter) in letters.iter().enumerate() {
            let Some(&next) = self.edges.get(&(u64::from(node) << 16 | u64::from(letter))) else {
                return;
            };
            node = next;
            let piece = self.ends[node as usize];
            if piece != NO_PIECE {
                found(place + 1, piece as usize);
            }
        }
    }

    /// The best way to write `letters`, as piece numbers from the last to the first, and its
    /// score; a piece as long as `letters` is left out when `in_parts`.
    pub fn best(
        &self,
        letters: &[u16],
        pieces: &[Piece],
        in_parts: bool,
    ) -> Option<(Vec<u32>, f64)> {
        let mut paths = vec![(f64::NEG_INFINITY, 0_usize, NO_PIECE); letters.len() + 1];
        paths[0].0 = 0.0;
        for start in 0..letters.len() {
            let score = paths[start].0;
            if score == f64::NEG_INFINITY {
                continue;
            }
            self.prefixes(&letters[start..], |length, piece| {
                if in_parts && length == letters.len() {
                    return;
                }
                let candidate = score + pieces[piece].score;
                if candidate > paths[start + length].0 {
                    paths[start + length] = (candidate, start, piece as u32);
                }
            });
        }
        let total = paths[letters.len()].0;
        if total == f64::NEG_INFINITY {
            return None;
        }
        let mut way = Vec::new();
        let mut end = letters.len();
        while end > 0 {
            way.push(paths[end].2);
            end = paths[end].1;
        }
        Some((way, total))
    }
}
