//! What moves words without changing them: transposed blocks and paired halves, at every level.

use super::super::simd::{Kernel, Level, Simd};

/// A block of rows that are `LD` apart, transposed to rows that are `LDO` apart.
struct Transposed<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

const LD: usize = 19;
const LDO: usize = 23;

impl Kernel for Transposed<'_> {
    type Output = usize;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn run<S: Simd>(self) -> usize {
        let rows = S::LANES - 1;
        assert!(self.from.len() >= rows * LD + S::LANES && self.to.len() >= rows * LDO + S::LANES);
        // SAFETY: both hold the block.
        unsafe { S::transpose_block(self.from.as_ptr(), LD, self.to.as_mut_ptr(), LDO) };
        S::LANES
    }
}

/// Words of `low` and `high`, paired.
struct Paired<'a> {
    low: &'a [f32],
    high: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Paired<'_> {
    type Output = usize;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn run<S: Simd>(self) -> usize {
        assert!(self.low.len().min(self.high.len()) >= S::LANES);
        assert!(self.to.len() >= 2 * S::LANES);
        // SAFETY: all hold as many words.
        unsafe {
            S::pair_halves(self.low.as_ptr(), self.high.as_ptr(), self.to.as_mut_ptr());
        }
        S::LANES
    }
}

/// Words of which no two are alike, NaN among them.
fn words(count: usize, first: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|i| f32::from_bits((first + i).wrapping_mul(0x9e37_79b9) | 0x40_0000))
        .collect()
}

fn bits(words: &[f32]) -> Vec<u32> {
    words.iter().map(|word| word.to_bits()).collect()
}

#[test]
fn a_transposed_block_keeps_every_bit_and_what_is_beside_it() {
    let from = words(LD * 16, 1);
    let before = words(LDO * 16, 5_000);
    for level in Level::available() {
        let mut to = before.clone();
        let lanes = level.run(Transposed {
            from: &from,
            to: &mut to,
        });
        let mut expected = bits(&before);
        for r in 0..lanes {
            for i in 0..lanes {
                expected[i * LDO + r] = from[r * LD + i].to_bits();
            }
        }
        assert_eq!(bits(&to), expected, "{level:?}");
    }
}

#[test]
fn halves_stand_one_above_the_other() {
    let (low, high) = (words(16, 1), words(16, 900));
    let halves = |words: &[f32]| -> Vec<u32> {
        let split = |word: u32| [word & 0xffff, word >> 16];
        bits(words).into_iter().flat_map(split).collect()
    };
    let pairs = halves(&low).into_iter().zip(halves(&high));
    let expected: Vec<u32> = pairs.map(|(low, high)| low | high << 16).collect();
    for level in Level::available() {
        let mut to = [0.0; 32];
        let lanes = level.run(Paired {
            low: &low,
            high: &high,
            to: &mut to,
        });
        assert_eq!(bits(&to)[..2 * lanes], expected[..2 * lanes], "{level:?}");
        assert!(to[2 * lanes..].iter().all(|word| word.to_bits() == 0));
    }
}
