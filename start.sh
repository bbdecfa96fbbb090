#!/usr/bin/env bash
# Starts the relay for production: settings from the environment, one line of JSON for each event on stdout.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$here/node_modules/.bin:$PATH"
export PORT="${PORT:-8080}"
export HOST="${HOST:-127.0.0.1}"
export DB_PATH="${DB_PATH:-./data}"
export LOG_FORMAT="${LOG_FORMAT:-json}"

fail() {
  printf 'start.sh: %s\n' "$1" >&2
  exit 1
}

case $PORT in *[!0-9]*) fail "PORT must be a number from 0 to 65535, not '$PORT'" ;; esac
[ "${#PORT}" -le 5 ] && [ "$PORT" -le 65535 ] || fail "PORT must be a number from 0 to 65535, not '$PORT'"
[ -d "$here/node_modules" ] || fail "dependencies are missing: run npm ci in $here"
mkdir -p -m 700 "$DB_PATH" || fail "DB_PATH: cannot make the folder $DB_PATH"
[ -w "$DB_PATH" ] || fail "DB_PATH: cannot write to $DB_PATH"
# In a clone the build follows the sources; an installation without the compiler has been built already.
if command -v tsc >/dev/null; then (cd "$here" && tsc -b packages/server) || fail "the build failed"; fi

# On stderr, so that stdout is the relay's log and nothing else.
printf 'Starting AI Message Server...\nPort: %s\nHost: %s\nDatabase: %s\nLog format: %s\n' \
  "$PORT" "$HOST" "$DB_PATH" "$LOG_FORMAT" >&2
exec node "$here/packages/server/bin/aimessage-server.js" "$@"
