#!/usr/bin/env bash
# One program for machines with an NVIDIA GPU and without (docs/gpu.md).
#
#   build-gpu.sh [TOOLKIT]
#
# TOOLKIT is a folder with a CUDA toolkit and an env.sh that sets CUDA_HOME, CUDA_COMPUTE_CAP and
# PATH, such as a build-only toolkit whose archives open the CUDA libraries at the first call;
# without it the toolkit of the machine is taken, and the program then needs the CUDA libraries
# wherever it starts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
toolkit=${1:-}
if [[ -n $toolkit ]]; then
  [[ -r $toolkit/env.sh ]] || {
    echo "build-gpu: $toolkit has no env.sh" >&2
    exit 1
  }
  # shellcheck source=/dev/null
  . "$toolkit/env.sh"
fi
command -v nvcc >/dev/null || {
  echo "build-gpu: no nvcc on PATH; name a toolkit" >&2
  exit 1
}
cargo fetch --locked
# Kernels are compiled for one generation of cards; 80 and 90 are the usual data centre ones.
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
nice -n 10 cargo build --locked --release --features cuda --bin stance
program=${CARGO_TARGET_DIR:-target}/release/stance
# It must start here too, where there may be no driver, and say what it found.
"$program" doctor --device auto
echo "$program, for compute capability $CUDA_COMPUTE_CAP"
