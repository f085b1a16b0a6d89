//! The encoder on a CPU, without stock candle: packed weights, fused layers, and kernels chosen
//! by what the processor can do.
//!
//! [`simd`] abstracts the instruction sets; [`pack`], [`quantise`], [`microkernel`], [`gemm`], [`tiles`]
//! and [`epilogue`] multiply; [`attention`], [`norm`] and [`math`] are the rest of a layer;
//! [`stack`] runs the layers of a BERT, with a [`crew`] where the text is short, and [`train`] the same
//! with a way back.
//!
//! `unsafe` is allowed here alone: for instructions that the compiler cannot know are there, and
//! for loads and stores in inner loops. Each kernel checks its slices once at its beginning.

#![allow(unsafe_code)]
// Kernels become part of one function per instruction set, or they would not be compiled for it.
#![allow(clippy::inline_always)]

pub mod attention;
pub mod buffer;
pub mod crew;
pub mod epilogue;
pub mod gemm;
pub mod heads;
pub mod math;
pub mod microkernel;
pub mod model;
pub mod norm;
pub mod pack;
pub mod quantise;
pub mod simd;
pub mod stack;
pub mod strassen;
pub mod tiles;
pub mod train;
pub mod words;

#[cfg(test)]
mod tests;

pub use pack::Precision;
