#!/usr/bin/env bash
# Build and run the measurements: run_bench.sh [NAME]. NAME is a file of bench/ without its ending, or the beginning of some.
# Each prints one JSON object per line; all lines are also kept in build/bench/<name>-<time>.jsonl, to compare with earlier ones.
# BUILD names another build's folder than build/release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
only=${1:-}
export BUILD=${BUILD:-build/release}
mkdir -p build/bench
stamp=$(date -u +%Y%m%d-%H%M%S)
names=()
for source in bench/*.c bench/*.py; do
  name=$(basename "$source")
  if [ "$name" = soak.py ] && [ -z "$only" ]; then continue; fi # ten minutes: by name only
  if [ -e "$source" ] && [[ $name == "${only//-/_}"* ]]; then names+=("$name"); fi
done
if [ ${#names[@]} -eq 0 ]; then
  echo "bench: nothing in bench/ begins with \"$only\"; there are: $(cd bench && ls ./*.c ./*.py 2>/dev/null | sed 's|^\./||; s|\.[cp]y*$||' | tr '\n' ' ')" >&2
  exit 1
fi
for name in "${names[@]}"; do
  echo "== ${name%.*}: $(sed -n '1s|^/\* [^ ]* - ||p; 1s|^"""||p' "bench/$name" | sed 's|[[:space:]]*\*/$||; s|"""$||')"
  if [[ $name == *.py ]]; then
    GRISTMILL=$(realpath "$BUILD/gristmill") python3 "bench/$name" | tee "build/bench/${name%.py}-$stamp.jsonl"
  else
    cmake --build "$BUILD" --target "bench_${name%.c}" -- --quiet
    program=$(find "$BUILD" -type f -name "bench_${name%.c}" -perm -u+x -print -quit)
    "$program" | tee "build/bench/${name%.c}-$stamp.jsonl"
  fi
done
