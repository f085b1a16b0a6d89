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
        let mut free = free();
        let fits = |data: &Vec<f32>| data.len() >= len && data.len() <= 2 * len + STEP;
        let best = (0..free.len())
            .filter(|&i| fits(&free[i]))
            .min_by_key(|&i| free[i].len());
        let data = best.map(|i| free.swap_remove(i));
        drop(free);
        Self {
            data: data.unwrap_or_else(|| vec![0.0; len.next_multiple_of(STEP)]),
            len,
        }
    }
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
    use super::{Buffer, STEP};

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
}
