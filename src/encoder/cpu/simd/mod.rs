//! Vectors of f32, so that one text of a kernel serves every instruction set.
//!
//! A kernel is a [`Kernel`]: a structure of slices whose `run` is generic over [`Simd`] and
//! inlined into one function per instruction set ([`Level::run`]), where the compiler may use
//! that set's instructions. [`portable`] is the twin in plain Rust that the tests hold every
//! other level against.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod tile;

use std::sync::LazyLock;

use tile::multiply_words;
pub use tile::{Grid, GridMut, TILE_COLUMNS, TILE_PARTS, TILE_ROWS, TileKind, TileShape};

/// Vectors of [`Simd::LANES`] f32 values, and of as many groups of four 8-bit integers or two
/// bf16 values.
///
/// # Safety
/// Every method may be called only where the instruction set is there; [`Level::run`] sees to
/// it. Pointers given to loads and stores must be valid for as many values as are moved; they
/// need no alignment.
#[allow(missing_docs, clippy::missing_safety_doc)] // named after what they do; safety as above
pub unsafe trait Simd: Copy + Send + Sync + 'static {
    /// Values per vector.
    const LANES: usize;
    /// Rows of a matrix product's tile; see `gemm`.
    const ROWS: usize;
    /// What [`Simd::dot`] adds to the product of a weight's byte: the bytes are unsigned, the
    /// weight plus 128, and some instruction sets take them so.
    const OFFSET: i32;
    /// f32 values.
    type V: Copy;
    /// 32-bit integers.
    type I: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    /// Asks for the cache line of `p`, which need not be valid, in the first cache.
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        let _ = p;
    }
    /// The same in the second cache.
    #[inline(always)]
    unsafe fn prefetch_far(p: *const f32) {
        let _ = p;
    }
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `n` values at `p`, then zeros; `n < LANES`.
    unsafe fn load_part(p: *const f32, n: usize) -> Self::V;
    /// Stores the first `n` values; `n < LANES`.
    unsafe fn store_part(p: *mut f32, v: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn abs(a: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the set can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a · b`.
    unsafe fn neg_mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// To the nearest integer, ties to even.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `x · 2^n` for integral `n` between -126 and 127.
    unsafe fn scale2(x: Self::V, n: Self::V) -> Self::V;
    unsafe fn sum(a: Self::V) -> f32;
    unsafe fn largest(a: Self::V) -> f32;

    unsafe fn zero_i() -> Self::I;
    /// One 32-bit group repeated.
    unsafe fn splat_i(x: i32) -> Self::I;
    /// `LANES` groups of four bytes.
    unsafe fn load_i(p: *const u32) -> Self::I;
    unsafe fn store_i(p: *mut u32, v: Self::I);
    unsafe fn add_i(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn sub_i(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn or_i(a: Self::I, b: Self::I) -> Self::I;
    /// Shifts each integer left by `BITS`.
    unsafe fn shift_i<const BITS: i32>(a: Self::I) -> Self::I;
    unsafe fn sum_i(a: Self::I) -> i32;
    /// Rounded to the nearest integer, ties to even.
    unsafe fn to_i(v: Self::V) -> Self::I;
    unsafe fn to_f(v: Self::I) -> Self::V;
    /// Stores the low byte of each integer.
    unsafe fn store_bytes(p: *mut u8, v: Self::I);
    /// Per lane: `acc + Σ (w[j] + OFFSET - 128) · a[j]` over the four bytes, `w` unsigned and `a`
    /// signed. Exact; does not saturate.
    unsafe fn dot(acc: Self::I, w: Self::I, a: Self::I) -> Self::I;

    /// The bf16 value in the lower half of each integer.
    unsafe fn low_bf16(v: Self::I) -> Self::V;
    /// The bf16 value in the upper half of each integer.
    unsafe fn high_bf16(v: Self::I) -> Self::V;
    /// Stores the values as bf16, side by side: to the nearest, ties to even.
    unsafe fn store_bf16(p: *mut u16, v: Self::V);
    /// The values without the bits that bf16 has no room for.
    #[inline(always)]
    unsafe fn cut_to_bf16(v: Self::V) -> Self::V {
        let mut words = [0u32; MAX_LANES];
        // SAFETY: `words` holds the lanes of every level. (The compiler keeps them in a register.)
        unsafe {
            Self::store(words.as_mut_ptr().cast(), v);
            Self::high_bf16(Self::load_i(words.as_ptr()))
        }
    }
    /// Per lane: `acc` plus the products of the lower and of the upper halves, as bf16. Sets
    /// without an instruction for it multiply f32 values.
    #[inline(always)]
    unsafe fn dot_bf16(acc: Self::V, w: Self::I, a: Self::I) -> Self::V {
        // SAFETY: the caller's.
        unsafe {
            let acc = Self::mul_add(Self::low_bf16(w), Self::low_bf16(a), acc);
            Self::mul_add(Self::high_bf16(w), Self::high_bf16(a), acc)
        }
    }

    /// Transposes a block of `LANES` rows by as many values, bits as they are:
    /// `to[i · ldo + r] = from[r · ld + i]`.
    #[inline(always)]
    unsafe fn transpose_block(from: *const f32, ld: usize, to: *mut f32, ldo: usize) {
        for r in 0..Self::LANES {
            for i in 0..Self::LANES {
                // SAFETY: both hold the block by the caller.
                unsafe { to.add(i * ldo + r).write(from.add(r * ld + i).read()) }
            }
        }
    }
    /// Puts `LANES` words of two halves each of `low` and of `high` one above the other: into as many halves' words, whose
    /// upper half is of `high`.
    #[inline(always)]
    unsafe fn pair_halves(low: *const f32, high: *const f32, to: *mut f32) {
        for i in 0..Self::LANES {
            // SAFETY: both hold `LANES` words and `to` twice as many by the caller.
            unsafe {
                let (low, high) = ((*low.add(i)).to_bits(), (*high.add(i)).to_bits());
                *to.add(2 * i) = f32::from_bits(low & 0xffff | high << 16);
                *to.add(2 * i + 1) = f32::from_bits(low >> 16 | high & 0xffff_0000);
            }
        }
    }

    /// Makes tiles ready for [`Simd::multiply_tiles`], on this thread until [`Simd::release_tiles`].
    #[inline(always)]
    unsafe fn configure_tiles() {}
    #[inline(always)]
    unsafe fn release_tiles() {}
    /// A product of tiles: `c[r, j] = Σ_g a[r, g] · b[g, j]` for sixteen rows, or thirty-two, and
    /// [`TILE_COLUMNS`] columns, where words of `a` and `b` hold two bf16 values or four bytes, and
    /// words of `c` an f32 value or a 32-bit integer. Bytes of `b` are unsigned, those of `a` signed. Of
    /// [`TileKind::Parts`] `a` has [`TILE_PARTS`] times as many words.
    ///
    /// All of `a`, `b` and `c` must be valid, also what is not wanted of them.
    #[inline(always)]
    unsafe fn multiply_tiles(kind: TileKind, shape: TileShape, a: Grid, b: Grid, c: GridMut) {
        // SAFETY: the caller's.
        unsafe { multiply_words(kind, shape, a, b, c) }
    }
}

/// Work that is written once for all instruction sets.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Does the work.
    ///
    /// # Safety
    /// The instruction set of `S` must be there. Implementations are `inline(always)`, so that
    /// they become part of a function that may use it.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Most lanes of any [`Simd`].
pub const MAX_LANES: usize = 16;

/// An instruction set that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// [`Level::Avx512Bf16`] and AMX, which multiplies tiles of bf16 and of bytes (Sapphire Rapids and later).
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// [`Level::Avx512`] and BF16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// AVX-512 F, BW, DQ, VL and VNNI (Ice Lake, Zen 4 and later).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA (Haswell, Zen and later).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON, which every aarch64 has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Plain Rust.
    Portable,
}

impl Level {
    /// The best level of this machine.
    pub fn best() -> Self {
        static BEST: LazyLock<Level> = LazyLock::new(|| Level::available()[0]);
        *BEST
    }

    /// Every level of this machine, best first.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                if is_x86_feature_detected!("avx512bf16") {
                    if amx::permitted() {
                        levels.push(Self::Amx);
                    }
                    levels.push(Self::Avx512Bf16);
                }
                levels.push(Self::Avx512);
                if avx512::made_by_intel() {
                    // A dot product of bf16 takes 0.86 ns there, and the two of f32 that it is made of 0.5 (Emerald
                    // Rapids): this level goes behind the one without.
                    levels.sort_by_key(|level| *level == Self::Avx512Bf16);
                }
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Self::Neon);
        levels.push(Self::Portable);
        levels
    }

    /// As the log and the model's description call it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => "amx",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Whether there is an instruction for dot products of bytes, which makes 8-bit integers
    /// faster than f32.
    pub fn multiplies_bytes(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 | Self::Avx512 => true,
            _ => false,
        }
    }

    /// Whether there is an instruction for dot products of bf16, which makes them faster than f32.
    pub fn multiplies_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// Whether seven products of halves take less time than eight, though twice as many weights are read
    /// ([`super::strassen`]): not on Intel's processors with AVX-512, where texts of 128 tokens took 56 ms so and 45
    /// without.
    pub fn halves(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 | Self::Avx512 => !avx512::made_by_intel(),
            _ => true,
        }
    }

    /// Whether [`Simd::multiply_tiles`] is faster than dot products of vectors.
    pub fn multiplies_tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => true,
            _ => false,
        }
    }

    /// Values per vector, [`Simd::LANES`].
    pub fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 | Self::Avx512 => avx512::Avx512::<false, false>::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::Avx2::LANES,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::Neon::LANES,
            Self::Portable => portable::Portable::LANES,
        }
    }

    /// Runs a kernel with this level's instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: a `Level` other than `Portable` comes from `available`, which has asked
            // the processor for every feature that the entered function enables.
            #[cfg(target_arch = "x86_64")]
            Self::Amx => unsafe { avx512::enter_amx(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512::enter_bf16(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::enter(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::enter(kernel) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::enter(kernel) },
            // SAFETY: plain Rust needs no instruction set.
            Self::Portable => unsafe { kernel.run::<portable::Portable>() },
        }
    }
}

/// Loads up to a vector: all of it when `n` is at least `LANES`.
///
/// # Safety
/// As [`Simd`]; `p` is valid for `min(n, LANES)` values.
#[inline(always)]
pub unsafe fn load_up_to<S: Simd>(p: *const f32, n: usize) -> S::V {
    unsafe {
        if n >= S::LANES {
            S::load(p)
        } else {
            S::load_part(p, n)
        }
    }
}

/// Stores up to a vector: all of it when `n` is at least `LANES`.
///
/// # Safety
/// As [`Simd`]; `p` is valid for `min(n, LANES)` values.
#[inline(always)]
pub unsafe fn store_up_to<S: Simd>(p: *mut f32, v: S::V, n: usize) {
    unsafe {
        if n >= S::LANES {
            S::store(p, v);
        } else {
            S::store_part(p, v, n);
        }
    }
}
