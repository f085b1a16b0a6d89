#!/usr/bin/env bash
# Tries the program the way README does: the examples on the command line, then as a service.
#
#   smoke.sh PROGRAM
#
# Looks at what only a real run shows: that texts are really read, that nothing outside the
# program is needed, that the service starts and stops. Whether the stances are right is the
# business of the evaluation.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
service_name=smoke
# shellcheck source=scripts/service.sh
. scripts/service.sh

# The main job. A document that could not be judged makes the exit code 3.
"$program" classify examples/*.txt >"$work/table"
sed -n '1,12p' "$work/table"

# One line for each document, in the order of the input.
"$program" classify --format jsonl examples/*.txt examples/documents.jsonl >"$work/lines"
texts=(examples/*.txt)
expected=$((${#texts[@]} + $(grep -c . examples/documents.jsonl)))
found=$(grep -c '"stances":' "$work/lines" || true)
[[ $found == "$expected" ]] || fail "$expected documents, but $found predictions"
for text in "${texts[@]}"; do echo "$text"; done >"$work/ids"
grep -o '"id":"examples/[^"]*"' "$work/lines" | cut -d'"' -f4 | diff "$work/ids" - >&2 ||
  fail "the predictions are not in the order of the input"
for text in "${texts[@]}"; do
  language=$(basename "$text" .txt)
  grep "\"id\":\"$text\"" "$work/lines" | grep -q "\"language\":{\"code\":\"$language\"" ||
    fail "$text was not read as $language"
done

# An archive: started again, it has nothing left to do; then its sums.
for _ in 1 2; do "$program" score examples/documents.jsonl --output "$work/scores.parquet"; done
"$program" aggregate "$work/scores.parquet" | tail -n 3

# The model is inside: another folder, no home, no network.
(cd "$work" && echo "Spain has never been a better neighbour." |
  env -i HOME="$work" "$program" classify --offline --format json >"$work/answer")
grep -q '"start":0,"end":5,"text":"Spain"' "$work/answer" ||
  fail "Spain was not found away from the source tree: $(cat "$work/answer")"

# The service, on any free port, until SIGTERM.
start_service "$program"
cat "$work/serve"
grep -qE '^model .* sha256 [0-9a-f]{64}$' "$work/serve" || fail "the model has no hash"
"$root/scripts/healthcheck.sh" "${url##*:}" || fail "the service is not ready"
body='{"documents": [{"text": "Spain has never been a better neighbour."}, {"text": ""}]}'
curl -fsS --max-time 60 -H 'content-type: application/json' -d "$body" \
  "$url/v1/classify" >"$work/response"
grep -q '"start":0,"end":5,"text":"Spain"' "$work/response" || fail "no prediction: $(cat "$work/response")"
grep -q '"code":"empty_text"' "$work/response" || fail "no error for an empty text"
kill -TERM "$server"
ended=0
wait "$server" || ended=$?
server=
[[ $ended == 0 ]] || fail "the service ended with $ended after SIGTERM"
echo "smoke: well"
