#!/usr/bin/env bash
# Feeds the fuzz targets of fuzz/ by libFuzzer, with the compiler that everything else is built with.
#
#   fuzz.sh SECONDS [TARGET…]   each for so long; all of them when none is named
#
# Only what is of this project, and the reader of HTML, tells libFuzzer where it has been: all other
# dependencies are those of the tests, compiled once. What it learns stays in fuzz/corpus, what makes
# a target fail in fuzz/artifacts. Needs a C++ compiler. With nightly, `cargo +nightly fuzz run
# TARGET` does the same with the address sanitizer.
set -euo pipefail
seconds=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
targets=("$@")
[[ $# -gt 0 ]] || targets=(text matcher request registry weights)
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)

binaries=()
for name in "${targets[@]}"; do binaries+=(--bin "$name"); done
RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh cargo build --locked --manifest-path fuzz/Cargo.toml \
  --target-dir "$target" "${binaries[@]}"

seeds() { # TARGET FOLDER: what it begins with
  case $1 in
    text | matcher) cp -n examples/*.txt "$2" ;;
    registry) cp -n models/actors/*.toml "$2" ;;
    request)
      cat >"$2/seed" <<'END'
{"documents": [{"text": "Spain", "id": "a", "language": "en", "actors": ["spain", {"id": "x", "names": ["y"],
"spans": [[0, 1]]}]}], "options": {"offset_unit": "utf16", "max_evidence": 1, "input": "html"}, "model": "m"}
END
      ;;
    weights)
      { printf '\x80\0\0\0\0\0\0\0%-128s' '{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[3],"data_offsets":[16,22]}}'
        printf '%022d' 7; } >"$2/seed" ;;
  esac
}
failed=0
for name in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$name" "fuzz/artifacts/$name"
  seeds "$name" "fuzz/corpus/$name"
  echo "== $name"
  "$target/debug/$name" "fuzz/corpus/$name" -artifact_prefix="fuzz/artifacts/$name/" \
    -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -max_len=8192 -print_final_stats=1 \
    -verbosity=0 -print_funcs=0 || failed=1
done
exit "$failed"
