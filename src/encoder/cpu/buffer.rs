//! Large buffers that are taken again and again: neither the kernel nor `memset` clears them
//! each time.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers are made in steps of this many values, so that one serves batches of about the same
/// length.
const STEP: usize = 1 << 16;

/// Buffers kept at the most; those beyond are freed.
const KEPT: usize = 256;

static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

fn free() -> MutexGuard<'static, Vec<Vec<f32>>> {
    // Vectors are pushed and taken whole, so a panic elsewhere leaves the list in order.
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer that goes back to the free ones when dropped.
pub struct Buffer {
    data: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// `len` values of no meaning: whoever takes a buffer writes all of it.
    pub fn taken(len: usize) -> Self {
        let found = chosen(&mut free(), len);
        Self {
            data: found.unwrap_or_else(|| vec![0.0; len.next_multiple_of(STEP)]),
            len,
        }
    }
}

/// The shortest free buffer that is long enough and not far too long: not one of three times the
/// width for one of the width, but one of a longer batch. Without one, the longest that is too
/// short is given up for the new one, and where none is too short, any that is long enough serves:
/// there are never more buffers than were in use at one time, whatever lengths batches have.
fn chosen(free: &mut Vec<Vec<f32>>, len: usize) -> Option<Vec<f32>> {
    let length = |&i: &usize| free[i].len();
    let shortest = (0..free.len())
        .filter(|i| length(i) >= len)
        .min_by_key(length);
    let longest_short = (0..free.len())
        .filter(|i| length(i) < len)
        .max_by_key(length);
    if shortest.is_some_and(|i| length(&i) <= 5 * len / 2 + STEP) {
        return shortest.map(|i| free.swap_remove(i));
    }
    if let Some(i) = longest_short {
        free.swap_remove(i);
        return None;
    }
    shortest.map(|i| free.swap_remove(i))
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = free();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.data));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, STEP, chosen};

    #[test]
    fn a_buffer_is_as_long_as_asked_and_comes_back() {
        // A length of its own, as other tests take buffers at the same time.
        let len = 7 * STEP + 3;
        let mut first = Buffer::taken(len);
        first.fill(5.0);
        assert_eq!(first.len(), len);
        drop(first);
        let again = Buffer::taken(len - 1);
        assert_eq!(again.len(), len - 1);
        assert!(again.iter().all(|x| (*x - 5.0).abs() < 1e-9));
    }

    // Every length of a batch once left a buffer of its own behind: a service grew for as long as
    // it saw new ones.
    #[test]
    fn there_are_no_more_buffers_than_were_in_use_at_one_time() {
        let mut free: Vec<Vec<f32>> = Vec::new();
        for round in 0..200 {
            let tokens = STEP * (1 + round * 37 % 50);
            let lengths = [tokens, 3 * tokens, tokens];
            let taken: Vec<Vec<f32>> = lengths
                .iter()
                .map(|&len| chosen(&mut free, len).unwrap_or_else(|| vec![0.0; len]))
                .collect();
            for (buffer, len) in taken.iter().zip(lengths) {
                assert!(buffer.len() >= len);
            }
            free.extend(taken);
            assert_eq!(free.len(), lengths.len());
        }
        let all: usize = free.iter().map(Vec::len).sum();
        assert!(all <= 3 * 3 * 50 * STEP);
    }
}
