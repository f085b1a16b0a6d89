#!/usr/bin/env bash
# Says whether the service takes new work: exit code 0 if it does.
#
#   healthcheck.sh [PORT]   $STANCE_PORT or 8080 when absent
#
# Needs bash alone, so that a container's image carries no HTTP client for it.
set -euo pipefail
port=${1:-${STANCE_PORT:-8080}}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 5 _ status _ <&3
[[ $status == 200 ]]
