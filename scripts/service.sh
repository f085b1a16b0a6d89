# Shared by scripts that try the program as a service; sourced by them, not run.
# shellcheck shell=bash disable=SC2034,SC2154
#
#   service_name=smoke            what messages begin with; set it before sourcing
#   start_service PROGRAM [FLAG]… serves on any free port; sets $url, and $server to its process
#
# $work is a fresh folder, and $work/serve what the service has printed. Folder and service are
# gone when the script ends.
work=$(mktemp -d)
server=

finish() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "$service_name: $*" >&2
  exit 1
}

start_service() {
  local program=$1
  shift
  "$program" serve --port 0 "$@" >"$work/serve" &
  server=$!
  for _ in {1..300}; do
    grep -q '^model ' "$work/serve" && break
    kill -0 "$server" 2>/dev/null || fail "the service ended: $(cat "$work/serve")"
    sleep 0.2
  done
  url=$(grep -o 'http://[^ ]*' "$work/serve" | head -n 1) || fail "the service printed no URL"
}
