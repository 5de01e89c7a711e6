#!/usr/bin/env bash
# Install the built program: install.sh PREFIX. Program to bin, libraries to lib/gristmill, man page and completions as the program
# writes them, licences to share/doc/gristmill.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
prefix=${1:?install.sh PREFIX}
program=build/release/gristmill
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$program" man >"$tmp/gristmill.1"
"$program" completion bash >"$tmp/bash"
"$program" completion zsh >"$tmp/zsh"
install -D -m755 "$(realpath "$program")" "$prefix/bin/gristmill"
for library in deps/native/lib/*.so*; do install -D -m644 "$library" "$prefix/lib/gristmill/$(basename "$library")"; done
install -D -m644 "$tmp/gristmill.1" "$prefix/share/man/man1/gristmill.1"
install -D -m644 "$tmp/bash" "$prefix/share/bash-completion/completions/gristmill"
install -D -m644 "$tmp/zsh" "$prefix/share/zsh/site-functions/_gristmill"
install -D -m644 LICENSE "$prefix/share/doc/gristmill/LICENSE"
for text in deps/native/licenses/*; do install -D -m644 "$text" "$prefix/share/doc/gristmill/licenses/$(basename "$text")"; done
echo "installed gristmill into $prefix"
