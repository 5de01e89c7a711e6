#!/usr/bin/env bash
# Drive every fuzz target with libFuzzer for some seconds each: run_fuzz.sh [SECONDS]. What it finds is kept in build/fuzz-found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
mkdir -p build build/fuzz-found build/fuzz-corpus
cmake --preset fuzz >build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
targets=()
for source in fuzz/fuzz_*.c; do
  name=$(basename "$source" .c)
  if [ "$name" != fuzz_main ]; then targets+=("$name"); fi
done
cmake --build build/fuzz --target "${targets[@]}" -- --quiet
bad=0
for name in "${targets[@]}"; do
  what=${name#fuzz_}
  program=$(find build/fuzz -type f -name "$name" -perm -u+x -print -quit)
  mkdir -p "build/fuzz-corpus/$what" # new inputs go here, not into the repository
  if "$program" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz-found/$what-" "build/fuzz-corpus/$what" "fuzz/corpus/$what" >"build/fuzz-found/$what.log" 2>&1; then
    echo "ok   $name: $(awk '/stat::number_of_executed_units/ { print $2 }' "build/fuzz-found/$what.log") inputs in $seconds s"
  else
    bad=1
    echo "FAIL $name: see build/fuzz-found/$what.log"
    tail -n 30 "build/fuzz-found/$what.log" | sed 's/^/     | /'
  fi
done
exit $bad
