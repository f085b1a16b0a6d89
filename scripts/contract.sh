#!/usr/bin/env bash
# Asks the running service what its description allows and forbids, and compares the answers
# with the description (schemathesis, from PyPI).
#
#   contract.sh PROGRAM [EXAMPLES]   EXAMPLES per operation, 30 when absent
#
# It needs Python with venv; schemathesis is installed into target/schemathesis the first time.
set -euo pipefail
program=$(realpath "$1")
examples=${2:-30}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${STANCE_SCHEMATHESIS:-target/schemathesis}
if [[ ! -x $venv/bin/schemathesis ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'
fi
work=$(mktemp -d)
server=
finish() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
"$program" serve --port 0 --log-level warn >"$work/serve" &
server=$!
for _ in {1..300}; do
  grep -q '^model ' "$work/serve" && break
  kill -0 "$server" 2>/dev/null || { echo "contract: the service ended" >&2; exit 1; }
  sleep 0.2
done
url=$(grep -o 'http://[^ ]*' "$work/serve" | head -n 1)
# A probability of 0.1 is no 32-bit float: numbers are compared as such. Deadlines are real, so
# 504 is an answer to a positive request.
"$venv/bin/schemathesis" run "$url/openapi.json" \
  --max-examples "$examples" --seed 1 --suppress-health-check all \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method
