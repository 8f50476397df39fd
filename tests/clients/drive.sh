#!/usr/bin/env bash
# Notes some events, then sends what waits: drive.sh URL KEY QUEUE EVENTS TRIES.
set -euo pipefail
now=$(date -u +%FT%TZ)
for ((at = 0; at < $4; at++)); do
  printf '{"id":"shell-%d","user_id":"shell","timestamp":"%s","type":1002,"parameters":{"level_id":"%d","name":"ü\\"\\n"}}\n' "$at" "$now" "$at"
done >>"$3"
QUESTLINE_TRIES=$5 exec ./questline.sh "$1" "$2" "$3"
