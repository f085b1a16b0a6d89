#!/usr/bin/env bash
# What scripts/fuzz.sh calls for rustc: code of this project, and of the crates that read what
# strangers write, counts where it runs, as libFuzzer wants it (the flags are those of cargo-fuzz).
set -euo pipefail
for word in "$@"; do
  case $word in
    fuzz/fuzz_targets/* | fuzz_targets/* | src/lib.rs | */html2text-*/src/lib.rs)
      set -- "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
        -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
        -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1
      break
      ;;
  esac
done
exec "$@"
