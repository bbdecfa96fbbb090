#!/bin/sh
# What AI Message does, in some seconds: demo/main.ts, by the Node that `npm ci` has brought.
here=$(cd "$(dirname "$0")" && pwd) || exit
PATH="$here/node_modules/.bin:$PATH" exec node "$here/demo/main.ts" "$@"
