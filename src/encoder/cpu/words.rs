//! Memory for packed weights and rows, in whole cache lines.

/// A cache line of words.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u32; 16]);

/// Words that begin at a cache line.
#[derive(Clone, Default)]
pub struct Words {
    lines: Vec<Line>,
    len: usize,
}

impl Words {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([0; 16]); len.div_ceil(16)],
            len,
        }
    }

    /// At least `len` words; what was there stays in no particular order.
    pub fn reserve(&mut self, len: usize) {
        if len > self.lines.len() * 16 {
            self.lines.resize(len.div_ceil(16), Line([0; 16]));
        }
        self.len = self.len.max(len);
    }

    /// The words.
    pub fn as_slice(&self) -> &[u32] {
        // SAFETY: `lines` holds at least `len` words without padding between them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// The words.
    pub fn as_mut_slice(&mut self) -> &mut [u32] {
        // SAFETY: as in `as_slice`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
