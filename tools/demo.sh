#!/usr/bin/env bash
# The flights example from raw tables to an answer over HTTP: run the pipeline, serve its champion, ask it about one flight, stop it;
# then replay four months of history with and without retraining.
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

# Four months of history through the whole loop: one trainer and two policies, so that it is short.
echo
echo "Rehearsing   gristmill rehearse --from 2013-04 --to 2013-07 --policy never --policy monthly --history 90d --trainer logistic"
"$program" rehearse --from 2013-04 --to 2013-07 --policy never --policy monthly --history 90d --trainer logistic
echo "The year     gristmill rehearse --from 2013-01 --to 2013-12 --first 90d --history 90d --policy never --policy monthly --html rehearsal.html"
echo "Next         gristmill serve flights | gristmill predictions | gristmill deploy flights --to image --out image"
