#!/bin/sh
# Builds everything, by the Node that `npm ci` has brought.
cd "$(dirname "$0")" && exec npm run build
