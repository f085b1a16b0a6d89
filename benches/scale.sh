#!/usr/bin/env bash
# What an archive costs: documents a second by length, by actors, and by threads, in one run.
#
#   scale.sh PROGRAM [THREADS…]   numbers of threads, 1 when absent
#
# Each row is `stance score` on so many documents and on three times as many: the difference is
# without start-up. Needs jq. docs/scale.md says what it printed.
set -euo pipefail
program=$(realpath "$1")
shift
threads=("${@:-1}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tr -s '[:space:]' '\n' <examples/en.txt >"$work/words"

# documents COUNT WORDS: texts that begin at different words of the same text.
documents() {
  awk -v count="$1" -v words="$2" '
    { word[NR - 1] = $0 }
    END {
      for (d = 0; d < count; d++) {
        text = ""
        for (w = 0; w < words; w++) text = text " " word[(d * 3 + w) % NR]
        print text
      }
    }' "$work/words" | jq -cR '{text: .[1:]}'
}

# named COUNT ACTORS: 300 words each with the same hundred names, of which so many are judged.
named() {
  jq -nc --argjson count "$1" --argjson actors "$2" '
    def names: [range(100) | "Party \(. + 10)"];
    (names | map("\(.) met.") | join(" ")) as $text
    | (names[:$actors] | map({id: ., names: [.]})) as $list
    | range($count) | {text: "\($text) In round \(.) nobody won.", actors: $list}'
}

seconds() {
  local began
  began=$(date +%s.%N)
  "$program" score "$1" --progress none --output "$work/out.jsonl" --overwrite
  [[ $(grep -c . "$work/out.jsonl") == "$(grep -c . "$1")" ]] || exit 1
  awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { print b - a }'
}

# row NAME COUNT COMMAND…: the command writes so many documents.
row() {
  local name=$1 count=$2 few many
  shift 2
  "$1" "$count" "$2" >"$work/few.jsonl"
  "$1" $((3 * count)) "$2" >"$work/many.jsonl"
  few=$(seconds "$work/few.jsonl")
  many=$(seconds "$work/many.jsonl")
  awk -v name="$name" -v n=$((2 * count)) -v a="$few" -v b="$many" 'BEGIN {
    rate = n / (b - a)
    printf "| %s | %.1f | %.1f |\n", name, rate, 1e6 / rate / 3600
  }'
}

echo "| documents | a second | hours for a million |"
echo "| --- | --- | --- |"
for count in "${threads[@]}"; do
  export RAYON_NUM_THREADS=$count
  row "50 words, $count threads" 200 documents 50
  row "300 words, $count threads" 60 documents 300
  row "1,000 words, $count threads" 20 documents 1000
done
for actors in 1 10 100; do
  row "100 names, $actors judged" 40 named "$actors"
done
