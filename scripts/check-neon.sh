#!/usr/bin/env bash
# The NEON kernels, checked by the compiler on a machine of another kind: the folder of instruction
# sets alone, as the whole program would want a C compiler for aarch64.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=aarch64-unknown-linux-gnu
crate=$(mktemp -d)
trap 'rm -rf "$crate"' EXIT

rustup target add "$target"
mkdir "$crate/src"
cat > "$crate/Cargo.toml" <<TOML
[package]
name = "neon"
version = "0.0.0"
edition = "2024"

[dependencies]
half = "2"

[workspace]
TOML
cat > "$crate/src/lib.rs" <<RUST
//! The kernels of another folder.

#[path = "$root/src/encoder/cpu/simd/mod.rs"]
pub mod simd;
RUST
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/neon \
  cargo check --manifest-path "$crate/Cargo.toml" --target "$target"
