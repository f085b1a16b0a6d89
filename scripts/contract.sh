#!/usr/bin/env bash
# Asks the running service what its description allows and forbids, and compares the answers
# with the description (schemathesis, from PyPI; scripts/schemathesis.toml says what is compared).
#
#   contract.sh PROGRAM [EXAMPLES]   EXAMPLES per operation, 30 when absent
#
# It needs Python with venv; schemathesis is installed into target/schemathesis the first time.
set -euo pipefail
program=$(realpath "$1")
examples=${2:-30}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
service_name=contract
# shellcheck source=scripts/service.sh
. scripts/service.sh
venv=$(realpath -m "${STANCE_SCHEMATHESIS:-target/schemathesis}")
if [[ ! -x $venv/bin/schemathesis ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'
fi
check() {
  local url=$1
  shift
  # It leaves its failures in the folder it runs in.
  (cd "$work" && "$venv/bin/schemathesis" --config-file "$root/scripts/schemathesis.toml" run "$url/openapi.json" \
    --max-examples "$examples" --seed 1 --suppress-health-check all "$@")
}
start_service "$program" --log-level warn
check "$url"

# The same with keys: whoever has none gets 401, on every route that is described so.
kill "$server"
wait "$server" || true
server=
key=contract-$RANDOM$RANDOM$RANDOM
printf '[[key]]\nname = "contract"\nsha256 = "%s"\n' \
  "$(printf %s "$key" | sha256sum | cut -d' ' -f1)" >"$work/keys.toml"
start_service "$program" --log-level warn --api-keys "$work/keys.toml"
check "$url" --header "Authorization: Bearer $key" --phases coverage
