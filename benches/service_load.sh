#!/usr/bin/env bash
# The running service under load, over HTTP, as ratios within one run.
#
#   service_load.sh PROGRAM [SECONDS [SOAK_SECONDS]]
#
# SECONDS per measurement, 20 when absent, or as long as each connection needs for two answers;
# SOAK_SECONDS at 80 % of capacity, none when absent. $CONNECTIONS names the numbers of connections,
# "1 8 64 512" when absent, $DOCUMENTS how many different ones there are (64). Needs wrk (Debian's package) and jq. What it prints:
#
# - offline: documents a second of `stance classify` on the same documents, start-up subtracted, and
#   the time that one takes on a core;
# - load: with so many connections, documents a second in the second half of the time (what is in
#   work at its end is no answer yet, nor was it at its middle), their ratio to offline, the same
#   ratio by the service's time on its cores, which neither the clients nor other programs on the
#   machine take away, p50 and p99 of the whole answer, and answers by status;
# - overload: 512 connections and 32 places: every answer must be 200 or 429;
# - fairness: p99 of short requests while $LONG_WORDS words (100,000 when absent) are read, against
#   p99 alone;
# - soak: resident memory at its start and end, and how far it was apart at the tenths of the time.
set -euo pipefail
program=$(realpath "$1")
seconds=${2:-20}
soak=${3:-0}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
service_name=load
# shellcheck source=scripts/service.sh
. scripts/service.sh
for tool in wrk jq; do command -v "$tool" >/dev/null || fail "there is no $tool"; done

# Documents of 300 words, each beginning elsewhere in the same text.
words() { tr -s '[:space:]' ' ' <examples/en.txt; }
count=${DOCUMENTS:-64}
for ((number = 0; number < count; number++)); do
  { words; words; words; words; } | tr '\n' ' ' | cut -d' ' -f$((number * 3 + 1))-$((number * 3 + 300)) |
    jq -cR '{text: .}'
done >"$work/documents"
jq -c '{documents: [.]}' "$work/documents" >"$work/bodies"
long=${LONG_WORDS:-100000}
awk -v words="$long" 'BEGIN { for (i = 0; i < words / 8; i++) printf "Spain and France met while nobody believed Moscow. " }' |
  jq -cRs '{documents: [{text: .}]}' >"$work/long"
for _ in 1 2 3; do cat "$work/documents"; done >"$work/many"

now() { date +%s.%N; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'; }
# offline FILE: seconds, and seconds on a core.
offline() {
  local TIMEFORMAT='%R %U %S'
  { time "$program" classify --input-format jsonl --format jsonl "$1" >"$work/predictions" 2>"$work/said"; } 2>"$work/time"
  [[ $(grep -c '"stances":' "$work/predictions") == "$(grep -c . "$1")" ]] || fail "a document was not judged"
  awk '{ print $1, $2 + $3 }' "$work/time"
}
read -r few few_cpu <<<"$(offline "$work/documents")"
read -r many many_cpu <<<"$(offline "$work/many")"
offline=$(awk -v n=$((2 * count)) -v a="$few" -v b="$many" 'BEGIN { printf "%.2f", n / (b - a) }')
offline_cpu=$(awk -v n=$((2 * count)) -v a="$few_cpu" -v b="$many_cpu" 'BEGIN { printf "%.5f", (b - a) / n }')
printf 'offline: %s documents/s, %s s of a core each\n' "$offline" "$offline_cpu"

# ask CONNECTIONS SECONDS [RATE]: sets rate p50 p99 most broken statuses.
ask() {
  local line
  line=$(wrk --threads 1 --connections "$1" --duration "${2}s" --timeout 600s --latency \
    --script benches/service_load.lua "$url" -- "$work/bodies" "${3:-0}" | grep '^RESULT ') ||
    fail "wrk gave no result"
  read -r _ rate p50 p99 most broken statuses <<<"$line"
}
# answered: time, number of the documents answered so far, and seconds of the service on its cores.
answered() {
  echo "$(now) $(curl -fsS "$url/metrics" | awk '/^stance_documents_total\{outcome="ok"\}/ { print $2 }')" \
    "$(awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / ticks }' "/proc/$server/stat")"
}
# steadily CONNECTIONS SECONDS: as ask, and the rate is that of the second half, as is cpu.
steadily() {
  local half=$(($2 / 2))
  { sleep "$half"; answered; sleep "$half"; answered; } >"$work/answered" &
  local counting=$!
  ask "$@"
  wait "$counting"
  read -r rate cpu <<<"$(awk 'NR == 1 { t = $1; n = $2; c = $3 }
    NR == 2 { printf "%.2f %.5f", ($2 - n) / ($1 - t), ($3 - c) / ($2 - n) }' "$work/answered")"
}
only() { # STATUS,STATUS: nothing else was answered
  local status
  for status in ${statuses//,/ }; do
    [[ ",$1," == *",${status%%=*},"* ]] || fail "answers by status: $statuses"
  done
  [[ $broken == 0 ]] || fail "$broken connections broke"
}
spread() { sort -n | awk 'NR == 1 { least = $1 } END { printf "%.2f", $1 / least }'; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }

start_service "$program" --log-level error
ask 1 3 # warm
# Twice the time in which every one of so many connections is answered once.
window() { awk -v n="$1" -v r="$offline" -v s="$seconds" 'BEGIN { w = 2 * n / r; printf "%d", 2 * int(((w > s) ? w : s) / 2 + 0.5) }'; }
for connections in ${CONNECTIONS:-1 8 64 512}; do
  steadily "$connections" "$(window "$connections")"
  only 200
  capacity=$rate
  printf 'load: %s connections: %s/s = %s of offline, by time on a core %s; p50 %s ms, p99 %s ms; %s\n' \
    "$connections" "$rate" "$(ratio "$rate" "$offline")" "$(ratio "$offline_cpu" "$cpu")" "$p50" "$p99" "$statuses"
done

ask 1 "$seconds"
only 200
alone=$p99
curl -fsS -H 'content-type: application/json' --data-binary "@$work/long" "$url/v1/classify" -o "$work/read" &
reading=$!
sleep 1
ask 1 "$seconds"
only 200
kill -0 "$reading" 2>/dev/null || echo "fairness: the long document was done before the short ones"
printf 'fairness: p99 %s ms beside %s words, %s ms alone: × %s\n' "$p99" "$long" "$alone" "$(ratio "$p99" "$alone")"
wait "$reading" || fail "the long document was not answered"

if ((soak > 0)); then
  # As many requests as 80 % of what the most clients got, by so many clients that one is free.
  wanted=$(awk -v c="$capacity" 'BEGIN { printf "%.3f", 0.8 * c }')
  ask 32 20 "$wanted"
  before=$(resident)
  { while sleep "$((soak / 10))"; do resident; done >"$work/resident"; } &
  watching=$!
  ask 32 "$soak" "$wanted"
  kill "$watching"
  only 200
  printf 'soak: %s s at %s of capacity; %s KiB resident before, %s after: × %s; p99 %s ms; %s\n' "$soak" \
    "$(ratio "$rate" "$capacity")" "$before" "$(resident)" "$(ratio "$(resident)" "$before")" "$p99" "$statuses"
  printf 'soak: resident KiB at each tenth: %s: the most is × %s the least\n' \
    "$(tr '\n' ' ' <"$work/resident")" "$(spread <"$work/resident")"
fi

kill "$server"
wait "$server" || true
server=
start_service "$program" --log-level error --queue-documents 32 --max-documents 32
ask 512 "$seconds"
only 200,429
printf 'overload: 512 connections, 32 places: slowest answer %s ms = %s × p99 of one alone; %s\n' "$most" \
  "$(ratio "$most" "$alone")" "$statuses"
