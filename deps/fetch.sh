#!/usr/bin/env bash
# Bring the native third-party libraries into deps/native. Everything is pinned, and every archive is checked against a sha256
# before it is unpacked. The folder is replaced as a whole at the end: a fetch that fails changes nothing. Running it again with
# the same pins does nothing.
set -euo pipefail
recipe=3 # counts up when this script puts other files into deps/native
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dest=${1:-$here/native}
stamp=$(cat "$here/wheels.txt" "$here/sdists.txt" "$here/npm.txt" - <<<"recipe $recipe" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dest/.stamp" 2>/dev/null || true)" = "$stamp" ]; then exit 0; fi
echo "deps: fetching third-party libraries into ${dest#"$PWD"/} (DuckDB, XGBoost, LightGBM, ONNX Runtime, yyjson, llhttp; 70 MB)"

for program in python3 npm patchelf tar sha256sum; do
  if ! command -v "$program" >/dev/null; then
    echo "deps: the program $program is missing; tools/setup.sh installs it" >&2
    exit 1
  fi
done
mkdir -p "$(dirname "$dest")"
new=$(mktemp -d "$(dirname "$dest")/.fetch-XXXXXX") # beside dest, so that it can be renamed
trap 'rm -rf "$new"' EXIT
tmp=$new/tmp
mkdir -p "$tmp" "$new/native"/{lib,src,licenses}

# One retry: registries have bad moments.
twice() { "$@" || { echo "deps: trying again" >&2; sleep 5; "$@"; }; }

# PyPI wheels. The flags make the choice independent of the local Python version.
twice python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --disable-pip-version-check --no-cache-dir \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
  --python-version 3.11 --implementation cp --abi cp311 --abi none -d "$tmp" -r "$here/wheels.txt"
for wheel in "$tmp"/*.whl; do
  python3 -m zipfile -e "$wheel" "$tmp/$(basename "$wheel" | cut -d- -f1)"
  rm "$wheel"
done
install -m644 "$tmp"/onnxruntime/onnxruntime/capi/libonnxruntime.so.1.* "$new/native/lib/libonnxruntime.so"
install -m644 "$tmp"/lightgbm/lightgbm/lib/lib_lightgbm.so "$new/native/lib/"
install -m644 "$tmp"/xgboost_cpu/xgboost/lib/libxgboost.so "$new/native/lib/"
install -m644 "$tmp"/onnx/onnx/onnx-ml.proto "$new/native/src/"
# One OpenMP runtime in the process: the system libgomp instead of the wheel's private copy.
private=$(patchelf --print-needed "$new/native/lib/libxgboost.so" | grep '^libgomp')
patchelf --replace-needed "$private" libgomp.so.1 --remove-rpath "$new/native/lib/libxgboost.so"

# PyPI source archives, for the C files they vendor.
twice python3 -m pip download -q --no-deps --require-hashes --no-binary=:all: --disable-pip-version-check --no-cache-dir \
  -d "$tmp" -r "$here/sdists.txt"
tar xzf "$tmp"/yyjson-*.tar.gz -C "$tmp" --no-same-owner
install -m644 "$tmp"/yyjson-*/yyjson/yyjson.[ch] "$new/native/src/"
tar xzf "$tmp"/httptools-*.tar.gz -C "$tmp" --no-same-owner
mkdir "$new/native/src/llhttp"
install -m644 "$tmp"/httptools-*/vendor/llhttp/include/llhttp.h "$tmp"/httptools-*/vendor/llhttp/src/*.c "$new/native/src/llhttp/"

# npm: the official libduckdb.so as a package of its own (npm pack runs no install script).
while read -r package file sha256; do
  case "$package" in "#"* | "") continue ;; esac
  (cd "$tmp" && twice npm pack --silent "$package" >/dev/null)
  echo "$sha256  $tmp/$file" | sha256sum -c --quiet
  tar xzf "$tmp/$file" -C "$tmp" --no-same-owner
done <"$here/npm.txt"
install -m644 "$tmp/package/libduckdb.so" "$new/native/lib/"

licence() { # name, folder: the package's own licence text
  local text
  text=$(find "$2" -iname 'LICENSE*' -type f -print -quit)
  if [ -n "$text" ]; then install -m644 "$text" "$new/native/licenses/$1.txt"; fi
}
for name in onnxruntime lightgbm xgboost_cpu onnx; do licence "$name" "$tmp/$name"; done
licence yyjson "$(echo "$tmp"/yyjson-*/)"
licence llhttp "$(echo "$tmp"/httptools-*/vendor/llhttp/)"
licence duckdb "$tmp/package"
# The wheel of XGBoost carries no licence text; it is under the licence of this project.
if [ ! -e "$new/native/licenses/xgboost_cpu.txt" ]; then
  { echo "XGBoost, Copyright by its contributors, is under the Apache License, Version 2.0:"; cat "$here/../LICENSE"; } \
    >"$new/native/licenses/xgboost_cpu.txt"
fi

echo "$stamp" >"$new/native/.stamp"
chmod 755 "$new/native"
if [ -e "$dest" ]; then mv "$dest" "$new/old"; fi
mv "$new/native" "$dest"
