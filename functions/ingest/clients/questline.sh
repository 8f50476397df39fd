#!/usr/bin/env bash
# Sends the events of a queue, a file with one JSON event a line, and takes out what needs not come
# again. Needs curl, gzip and jq.
#
#   questline.sh URL KEY QUEUE
#
# Ends with 0 when the queue is empty, with 1 when events stay for another time.
set -euo pipefail
url=$1 key=$2 queue=$3
batch=200 wait=1 tries=${QUESTLINE_TRIES:-8}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

while [ -s "$queue" ]; do
  head -n "$batch" "$queue" >"$work/batch"
  jq -cs --arg now "$(date -u +%FT%TZ)" '{sent_at: $now, events: .}' "$work/batch" | gzip >"$work/body"
  # What an earlier request was answered says nothing of this one.
  : >"$work/answer" >"$work/head"
  status=$(curl -s -m 30 -o "$work/answer" -D "$work/head" -w '%{http_code}' \
    -H "X-Api-Key: $key" -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' \
    --data-binary @"$work/body" "$url/v1/events") || status=000
  if [ -n "$(jq '.received // empty' "$work/answer" 2>/dev/null)" ]; then
    # A receipt: only what is retryable stays, in its place.
    jq '.results[] | select(.retryable) | .index + 1' "$work/answer" >"$work/stay"
    awk 'NR == FNR {stay[$1]; next} FNR in stay' "$work/stay" "$work/batch" >"$work/queue"
    tail -n "+$((batch + 1))" "$queue" >>"$work/queue"
    cat "$work/queue" >"$queue"
    [ "$status" = 503 ] || { wait=1; continue; }
  fi
  case $status in
    413) batch=$((batch / 2)); [ "$batch" -gt 0 ] || { echo "one event is too large" >&2; exit 2; }; continue ;;
    400 | 401 | 415) echo "refused: $(jq -r .detail "$work/answer")" >&2; exit 2 ;;
  esac
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || exit 1
  after=$(tr -d '\r' <"$work/head" | awk 'tolower($1) == "retry-after:" && $2 ~ /^[0-9]+$/ {print $2}')
  sleep "${after:-$((wait + RANDOM % (wait + 1)))}"
  wait=$((wait * 2 < 300 ? wait * 2 : 300))
done
