//! Advanced Matrix Extensions: products of tiles of sixteen rows by sixteen words (Intel 64 and IA-32
//! Architectures Software Developer's Manual, volume 1, chapter 18).
//!
//! The compiler has no stable names for these instructions, so they are written out. It uses no tiles
//! itself, and what one block of instructions leaves in them no other reads.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::LazyLock;

use super::{Grid, GridMut, TILE_ROWS, TileKind, TileShape};

/// What `ldtilecfg` reads: every tile has sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Whether the processor multiplies tiles of bf16 and of bytes, and the system lets this process.
pub fn permitted() -> bool {
    static PERMITTED: LazyLock<bool> = LazyLock::new(|| {
        // Leaf 7: bits 22, 24 and 25 of EDX are amx-bf16, amx-tile and amx-int8.
        const NEEDED: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        // The first leaf that is asked for exists on every processor with AVX-512.
        __cpuid_count(7, 0).edx & NEEDED == NEEDED && ask()
    });
    *PERMITTED
}

/// Asks Linux for the registers of tiles, which it saves for processes that asked alone
/// (Documentation/arch/x86/xstate.rst).
#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_REQ_XCOMP_PERM: u32 = 0x1023;
    const XFEATURE_XTILEDATA: u32 = 18;
    // SAFETY: the call takes two numbers and writes no memory.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    answer == 0
}

/// Other systems have ways of their own, which nobody here has tried.
#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// Makes tiles ready on this thread.
///
/// # Safety
/// [`permitted`] said so.
#[inline(always)]
pub unsafe fn configure() {
    // SAFETY: the configuration is one that palette 1 allows; tiles are nobody else's.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) }
}

/// Gives the tiles back, so that the system need not save them.
///
/// # Safety
/// [`permitted`] said so.
#[inline(always)]
pub unsafe fn release() {
    // SAFETY: tiles are nobody else's.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// Products of one tile of rows, or of two, by two tiles of columns: a step of the rows is so many bytes long, and what comes behind
/// its first tile is multiplied by the instructions in brackets.
macro_rules! product {
    ($name:ident, $two:ident, $dot:literal, $bytes:literal, [$($further:literal,)*], [$($further_two:literal,)*]) => {
        /// One tile of rows.
        #[inline(always)]
        unsafe fn $name(steps: usize, a: Grid, b: Grid, c: GridMut) {
            // SAFETY: the caller's.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "2:",
                    "tileloadd tmm4, [{a} + {lda}]",
                    "tileloadd tmm6, [{b} + {ldb}]",
                    concat!($dot, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{b} + {ldb} + 64]",
                    concat!($dot, " tmm1, tmm4, tmm7"),
                    $($further,)*
                    concat!("add {a}, ", $bytes),
                    "add {b}, {step}",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{c} + {ldc}], tmm0",
                    "tilestored [{c} + {ldc} + 64], tmm1",
                    steps = inout(reg) steps => _,
                    a = inout(reg) a.start => _,
                    lda = in(reg) 4 * a.stride,
                    b = inout(reg) b.start => _,
                    ldb = in(reg) 4 * b.stride,
                    step = in(reg) 4 * TILE_ROWS * b.stride,
                    c = in(reg) c.start,
                    ldc = in(reg) 4 * c.stride,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm5") _,
                    out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        /// Two tiles of rows.
        #[inline(always)]
        unsafe fn $two(steps: usize, a: Grid, b: Grid, c: GridMut) {
            // SAFETY: the caller's.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{a} + {lda}]",
                    "tileloadd tmm6, [{b} + {ldb}]",
                    concat!($dot, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{b} + {ldb} + 64]",
                    concat!($dot, " tmm1, tmm4, tmm7"),
                    "tileloadd tmm5, [{below} + {lda}]",
                    concat!($dot, " tmm2, tmm5, tmm6"),
                    concat!($dot, " tmm3, tmm5, tmm7"),
                    $($further_two,)*
                    concat!("add {a}, ", $bytes),
                    concat!("add {below}, ", $bytes),
                    "add {b}, {step}",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{c} + {ldc}], tmm0",
                    "tilestored [{c} + {ldc} + 64], tmm1",
                    "tilestored [{low} + {ldc}], tmm2",
                    "tilestored [{low} + {ldc} + 64], tmm3",
                    steps = inout(reg) steps => _,
                    a = inout(reg) a.start => _,
                    below = inout(reg) a.start.add(TILE_ROWS * a.stride) => _,
                    lda = in(reg) 4 * a.stride,
                    b = inout(reg) b.start => _,
                    ldb = in(reg) 4 * b.stride,
                    step = in(reg) 4 * TILE_ROWS * b.stride,
                    c = in(reg) c.start,
                    low = in(reg) c.start.add(TILE_ROWS * c.stride),
                    ldc = in(reg) 4 * c.stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

product!(one_of_bf16, two_of_bf16, "tdpbf16ps", 64, [], []);
product!(one_of_bytes, two_of_bytes, "tdpbsud", 64, [], []);
product!(
    one_of_parts,
    two_of_parts,
    "tdpbf16ps",
    192,
    [
        "tileloadd tmm5, [{a} + {lda} + 64]",
        "tdpbf16ps tmm0, tmm5, tmm6",
        "tdpbf16ps tmm1, tmm5, tmm7",
        "tileloadd tmm4, [{a} + {lda} + 128]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
    ],
    [
        "tileloadd tmm4, [{a} + {lda} + 64]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{below} + {lda} + 64]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{a} + {lda} + 128]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{below} + {lda} + 128]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
    ]
);

/// [`super::Simd::multiply_tiles`].
///
/// # Safety
/// As there, between [`configure`] and [`release`].
#[inline(always)]
pub unsafe fn multiply(kind: TileKind, shape: TileShape, a: Grid, b: Grid, c: GridMut) {
    assert!(shape.steps > 0);
    // SAFETY: the caller's.
    unsafe {
        match (kind, shape.two) {
            (TileKind::Bf16, false) => one_of_bf16(shape.steps, a, b, c),
            (TileKind::Bf16, true) => two_of_bf16(shape.steps, a, b, c),
            (TileKind::Parts, false) => one_of_parts(shape.steps, a, b, c),
            (TileKind::Parts, true) => two_of_parts(shape.steps, a, b, c),
            (TileKind::Bytes, false) => one_of_bytes(shape.steps, a, b, c),
            (TileKind::Bytes, true) => two_of_bytes(shape.steps, a, b, c),
        }
    }
}
