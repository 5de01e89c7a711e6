#!/usr/bin/env bash
# Compare with the programs that people use today, installed from PyPI into build/peers. Each line of test/conformance/peers.txt names a
# script and the program of the build that it runs (- for gristmill itself); one that lacks what it compares with ends with 77, and says so.
# BUILD names another build's folder than build/release. The last line is `N passed, N failed, N skipped`, in scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pins=test/conformance/requirements.txt
venv=build/peers
build=${BUILD:-build/release}
if ! cmp -s "$pins" "$venv/.pins"; then
  echo "peers: installing $(grep -c '^[a-z]' "$pins") packages from PyPI into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install -q --disable-pip-version-check --only-binary=:all: -r "$pins"; then
    echo "peers: could not install them: is PyPI reachable from here?" >&2
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
  fi
  cp "$pins" "$venv/.pins"
fi
passed=0 failed=0 skipped=0
while read -r script program; do
  case "$script" in "#"* | "") continue ;; esac
  if [ "$program" = - ]; then
    file=$build/gristmill
  else
    cmake --build "$build" --target "$program" -- --quiet
    file=$(find "$build" -type f -name "$program" -perm -u+x -print -quit)
  fi
  code=0
  GRISTMILL=$(realpath "$build/gristmill") "$venv/bin/python" "test/conformance/$script" "$file" >build/peers/log 2>&1 || code=$?
  if [ $code -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok   $script: $(tail -n 1 build/peers/log)"
  elif [ $code -eq 77 ]; then
    skipped=$((skipped + 1))
    echo "skip $script: $(tail -n 1 build/peers/log)"
  else
    failed=$((failed + 1))
    echo "FAIL $script"
    sed 's/^/     | /' build/peers/log
  fi
done <test/conformance/peers.txt
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
