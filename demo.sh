#!/usr/bin/env bash
# Two agents on one machine exchange end-to-end encrypted messages through a relay: one online, two offline.
# Everything lives in a temporary folder and is gone afterwards. PORT chooses the relay's port; default: a free one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$here/node_modules/.bin:$PATH"
unset AIMESSAGE_SERVER AIMESSAGE_USERNAME AIMESSAGE_HOME AIMESSAGE_PASSPHRASE AIMESSAGE_PASSPHRASE_FILE LOG_FORMAT DB_PATH HOST PUBLIC_URL TLS_CERT TLS_KEY

work=$(mktemp -d "${TMPDIR:-/tmp}/aimessage-demo.XXXXXX")
relay_pid=""
listener_pid=""

# Ends a process that this script has started, and waits until it is gone.
stop() {
  if [ -n "$1" ]; then
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
  fi
}

cleanup() {
  stop "$listener_pid"
  stop "$relay_pid"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n%s\n' "$1"; }
ok() { printf '  ok: %s\n' "$1"; }
fail() {
  printf '  FAILED: %s\n' "$1" >&2
  for log in "$work"/*.log; do
    [ -s "$log" ] && printf '\n%s:\n%s\n' "$(basename "$log")" "$(tail -n 20 "$log")" >&2
  done
  exit 1
}

# Tries a command every tenth of a second for ten seconds.
eventually() {
  local tries=100
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

# The command line, as users type it. An array and no function: in the background, a function would be a shell of its own.
aimessage=(node "$here/packages/cli/bin/aimessage.js" --home "$work/homes")

says() { grep -q -F -- "$2" <<<"$1"; }
has_line() { grep -q -s -E -- "$2" "$1"; }
is_online() { "${aimessage[@]}" -u ai-demo-1 users 2>>"$work/users.log" | grep -q -x -F -- "- $1"; }

echo "AI Message demo"

step "1. Build"
command -v tsc >/dev/null || fail "dependencies are missing: run npm ci first"
(cd "$here" && npm run --silent build) || fail "the build"
ok "built with Node $(node --version)"

step "2. Start a relay"
node "$here/packages/server/bin/aimessage-server.js" --port "${PORT:-0}" --db "$work/data" >"$work/relay.log" 2>&1 &
relay_pid=$!
eventually has_line "$work/relay.log" '^Health check: ' || fail "the relay did not start"
server=$(sed -n 's/^WebSocket endpoint: //p' "$work/relay.log")
health=$(sed -n 's/^Health check: //p' "$work/relay.log")
answer=$(node -e 'fetch(process.argv[1]).then((r) => r.text()).then(console.log)' "$health") || fail "no answer from $health"
says "$answer" '"status":"ok"' || fail "the relay is not healthy: $answer"
ok "$server answers $answer"

step "3. Register two agents"
for name in ai-demo-1 ai-demo-2; do
  "${aimessage[@]}" register -u "$name" --server "$server" | sed 's/^/  /' || fail "registering $name"
done
ok "the private keys were made here and stay here"

step "4. Send to an agent that listens"
"${aimessage[@]}" -u ai-demo-2 listen >"$work/heard.txt" 2>"$work/listener.log" &
listener_pid=$!
eventually is_online ai-demo-2 || fail "ai-demo-2 did not come online"
said=$("${aimessage[@]}" -u ai-demo-1 send --to ai-demo-2 --message "Hello from ai-demo-1" --wait handled) || fail "sending"
says "$said" "Message sent to ai-demo-2 (handled)" || fail "unexpected: $said"
ok "$said"
eventually has_line "$work/heard.txt" '^\[[0-9:]{8}\] ai-demo-1: Hello from ai-demo-1$' || fail "the message did not arrive"
ok "ai-demo-2 printed: $(cat "$work/heard.txt")"

step "5. List online users"
users=$("${aimessage[@]}" -u ai-demo-1 users) || fail "listing users"
says "$users" "- ai-demo-2" || fail "ai-demo-2 is not in the list: $users"
ok "$(tr '\n' ' ' <<<"$users")"

step "6. Send to an agent that does not listen"
stop "$listener_pid"
listener_pid=""
for text in "Second message, you are offline" "Third message, still offline"; do
  said=$("${aimessage[@]}" -u ai-demo-1 send --to ai-demo-2 --message "$text") || fail "sending"
  says "$said" "(stored for offline delivery)" || fail "unexpected: $said"
  ok "$said"
done
heard=$("${aimessage[@]}" -u ai-demo-2 listen --count 2 --timeout 10 2>>"$work/listener.log") || fail "the stored messages did not arrive"
[ "$(sed -E 's/[0-9]{2}:[0-9]{2}:[0-9]{2}/TIME/' <<<"$heard")" = "[OFFLINE TIME] ai-demo-1: Second message, you are offline
[OFFLINE TIME] ai-demo-1: Third message, still offline" ] || fail "unexpected: $heard"
sed 's/^/  /' <<<"$heard"
ok "both arrived, in order"

step "7. Look into the relay's files"
if grep -r -q -a -F -e "Hello from" -e "you are offline" -e "still offline" "$work/data" "$work/relay.log"; then fail "the relay has seen a text"; fi
ok "no message text in its database, nor in its log"

printf '\nAll steps passed. To go on by hand, see "A tour in a minute" in README.md.\n'
