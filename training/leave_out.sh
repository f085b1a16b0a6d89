#!/usr/bin/env bash
# Zero-shot transfer: trains a short run with all languages and one without the stance rows of each
# language, and compares the two on that language's test rows.
#
# Usage: training/leave_out.sh ENCODER PREP ALIGN BASE DATA OUT [LANGUAGE…]
#
#   ENCODER  a folder of trim or pretrain: a model that has seen no stance rows
#   PREP, ALIGN, BASE, DATA, OUT  as in docs/training.md
#
# STANCE_TRAINING and STANCE_EVAL name the programs, where they are not to be built here. A run that
# is there already is not made again.
set -euo pipefail

if [ $# -lt 6 ]; then
    echo "usage: $0 ENCODER PREP ALIGN BASE DATA OUT [LANGUAGE…]" >&2
    exit 2
fi
encoder=$1 prep=$2 align=$3 base=$4 data=$5 out=$6
shift 6
languages=("$@")
[ $# -gt 0 ] || languages=(ar en fr he hi ru sl)
recipe=$(dirname "$0")/recipes/leave-out-finetune.toml
read -ra training <<<"${STANCE_TRAINING:-cargo run --release --workspace --bin stance-training --}"
read -ra evaluate <<<"${STANCE_EVAL:-cargo run --release --workspace --bin stance-eval --}"

# The tasks of the public suite that hold rows of a language.
tasks() {
    case $1 in
        ar) echo arabicstancex-test ans-test exaasc-test fignews-heldout ;;
        en) echo newsmtsc-test pstance-test fignews-heldout ;;
        ru) echo rusentne-heldout ;;
        sl) echo senticoref-heldout ;;
        fr | he | hi) echo fignews-heldout ;;
        *)
            echo "no stance set is in '$1'" >&2
            return 1
            ;;
    esac
}

# run NAME [LANGUAGE]: a model folder at $out/NAME/export
run() {
    [ -f "$out/$1/export/manifest.json" ] && return
    mkdir -p "$out/$1"
    {
        [ $# -lt 2 ] || echo "leave_out = [\"$2\"]"
        cat "$recipe"
    } >"$out/$1/recipe.toml"
    "${training[@]}" finetune --encoder "$encoder" --prep "$prep" --align "$align" \
        --teacher "$base" --recipe "$out/$1/recipe.toml" --out "$out/$1"
    # Not calibrated: the class that is most probable stays the same.
    "${training[@]}" export --model "$out/$1/model" --out "$out/$1/export" \
        --weights int8 --name "leave-out-$1" --version 0.0.0
}

# measure NAME TASK…: results of a model on tasks
measure() {
    local name=$1 only=()
    shift
    for task in "$@"; do only+=(--only "$task"); done
    rm -rf "$out/$name/results"
    "${evaluate[@]}" run --model "$out/$name/export" --data "$data" --baselines majority \
        --out "$out/$name/results" "${only[@]}" >"$out/$name/results.txt"
}

run all
all=()
for language in "${languages[@]}"; do
    names=$(tasks "$language")
    # shellcheck disable=SC2206 # names of tasks are single words
    all+=($names)
    run "without-$language" "$language"
    # shellcheck disable=SC2086
    measure "without-$language" $names
done
measure all "${all[@]}"
for language in "${languages[@]}"; do
    echo "== with all languages, and without the stance rows of '$language'"
    "${evaluate[@]}" compare "$out"/all/results/*.json "$out/without-$language"/results/*.json
done
