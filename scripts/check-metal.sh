#!/usr/bin/env bash
# The program as it is built for a Mac, with its Metal path and NEON kernels, checked by the compiler
# on a machine of another kind. Nothing is linked or run. The C code of dependencies is compiled by
# Zig, which knows the headers of macOS; it comes from PyPI, as does the wrapper that calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-apple-darwin
folder=${CARGO_TARGET_DIR:-$PWD/target}/apple

rustup target add "$target"
if [[ ! -x $folder/venv/bin/cargo-zigbuild ]]; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check cargo-zigbuild==0.24.1 ziglang==0.17.1
fi
PATH=$folder/venv/bin:$PATH CARGO_TARGET_DIR=$folder \
  cargo-zigbuild check --locked --lib --bin stance --features metal --target "$target"
