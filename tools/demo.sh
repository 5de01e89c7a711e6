#!/usr/bin/env bash
# The flights example from raw tables to an answer over HTTP: run the pipeline, serve its champion, ask it about one flight, stop it.
set -euo pipefail
program=$(realpath "${1:?usage: demo.sh GRISTMILL}")
cd "$(dirname "${BASH_SOURCE[0]}")/../examples/flights"
"$program" run

exec 3< <(exec "$program" serve flights --port 0 --json --log full 2>/dev/null)
server=$!
trap 'kill $server 2>/dev/null' EXIT
read -r -u 3 line
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' <<<"$line")

# The weather at the origin is not in the request: the server looks up the latest row of the run's weather data.
row='{"sched_dep_time": 1830, "time_hour": "2013-12-31T00:30:00", "distance": 2475, "carrier": "UA", "origin": "EWR", "dest": "LAX"}'
echo
echo "Asking       curl -H 'Content-Type: application/json' $url/v1/models/flights:predict -d '{\"instances\": [$row]}'"
echo "Answer       $(curl -sS -H 'Content-Type: application/json' "$url/v1/models/flights:predict" -d "{\"instances\": [$row]}")"
kill $server
wait $server 2>/dev/null || true
trap - EXIT
echo "Next         gristmill serve flights | gristmill predictions | gristmill deploy flights --to image --out image"
