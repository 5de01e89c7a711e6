#!/usr/bin/env bash
# Layout of the C files: no tabs, no space at a line's end, a newline at the file's end. Lines beyond 130 characters are counted, not
# refused; so are changed files that an installed clang-format would lay out differently (its versions differ).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bad=0
mapfile -t files < <(git ls-files '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
report() { # what is wrong, lines
  if [ -n "$2" ]; then
    bad=1
    sed "s/\$/: $1/" <<<"$2"
  fi
}
report "a tab" "$(grep -nP '\t' "${files[@]}" | cut -d: -f1,2 || true)"
report "space at the line's end" "$(grep -nP '[ \r]$' "${files[@]}" | cut -d: -f1,2 || true)"
for file in "${files[@]}"; do
  if [ -n "$(tail -c 1 "$file")" ]; then report "no newline at the end" "$file"; fi
done
if command -v clang-format >/dev/null; then
  for file in $(git diff --name-only HEAD -- '*.c' '*.h'); do
    if [ -f "$file" ] && ! clang-format --dry-run -Werror "$file" 2>/dev/null; then echo "$file: clang-format would lay it out differently"; fi
  done
fi
long=$(cat "${files[@]}" | grep -cP '^.{131,}' || true)
if [ $bad -eq 0 ]; then echo "format: ${#files[@]} files, $long lines beyond 130 characters"; fi
exit $bad
