#!/usr/bin/env bash
# Tries the playground in a headless Chromium (tests/web).
#
#   web.sh PROGRAM [PICTURES]   PICTURES: a folder for screenshots, none are made when absent
#
# It needs Node 20 and npm. Chromium is installed where it is missing and apt can do it; $CHROMIUM
# names another one.
set -euo pipefail
program=$(realpath "$1")
pictures=${2:+$(realpath -m "$2")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
service_name=web
# shellcheck source=scripts/service.sh
. scripts/service.sh
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [[ ! -x $CHROMIUM ]]; then
  command -v apt-get >/dev/null || fail "there is no $CHROMIUM; name one by \$CHROMIUM"
  as_root=()
  [[ $EUID == 0 ]] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -qq --yes --no-install-recommends chromium >/dev/null
fi
export CHROMIUM
# What the lockfile names, and nothing that a package would run.
npm ci --prefix tests/web --ignore-scripts --no-audit --no-fund --loglevel error
start_service "$program" --log-level warn
STANCE_URL=$url SCREENSHOTS=$pictures npm test --prefix tests/web
