#!/usr/bin/env bash
# Bring the native third-party libraries into deps/native. Everything is pinned, and every archive is
# checked against a sha256 before it is unpacked. Running it again with the same pins does nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dest=${1:-$here/native}
stamp=$(cat "$here"/fetch.sh "$here"/wheels.txt "$here"/sdists.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dest/.stamp" 2>/dev/null || true)" = "$stamp" ]; then exit 0; fi
echo "fetching third-party libraries into ${dest#"$PWD"/} (DuckDB, XGBoost, LightGBM, ONNX Runtime, yyjson)"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rm -rf "$dest"
mkdir -p "$dest"/{lib,src,licenses}

# PyPI wheels. The flags make the choice independent of the local Python version.
python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --disable-pip-version-check \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
  --python-version 3.11 --implementation cp --abi cp311 --abi none -d "$tmp" -r "$here/wheels.txt"
for wheel in "$tmp"/*.whl; do
  python3 -m zipfile -e "$wheel" "$tmp/$(basename "$wheel" | cut -d- -f1)"
done
install -m644 "$tmp"/onnxruntime/onnxruntime/capi/libonnxruntime.so.1.* "$dest/lib/libonnxruntime.so"
install -m644 "$tmp"/lightgbm/lightgbm/lib/lib_lightgbm.so "$dest/lib/"
install -m644 "$tmp"/xgboost_cpu/xgboost/lib/libxgboost.so "$dest/lib/"
install -m644 "$tmp"/onnx/onnx/onnx-ml.proto "$dest/src/"
# One OpenMP runtime in the process: the system libgomp instead of the wheel's private copy.
private=$(patchelf --print-needed "$dest/lib/libxgboost.so" | grep '^libgomp')
patchelf --replace-needed "$private" libgomp.so.1 --remove-rpath "$dest/lib/libxgboost.so"

# PyPI source archives, for the C files they vendor.
python3 -m pip download -q --no-deps --require-hashes --no-binary=:all: --disable-pip-version-check \
  -d "$tmp" -r "$here/sdists.txt"
tar xzf "$tmp"/yyjson-*.tar.gz -C "$tmp"
install -m644 "$tmp"/yyjson-*/yyjson/yyjson.[ch] "$dest/src/"

# npm: the official libduckdb.so as a package of its own (npm pack runs no install script).
duckdb=duckdb-node-bindings-linux-x64-1.5.6-r.1.tgz
(cd "$tmp" && npm pack --silent @duckdb/node-bindings-linux-x64@1.5.6-r.1 >/dev/null)
echo "1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff  $tmp/$duckdb" | sha256sum -c --quiet
tar xzf "$tmp/$duckdb" -C "$tmp" package/libduckdb.so
install -m644 "$tmp/package/libduckdb.so" "$dest/lib/"

for name in onnxruntime lightgbm xgboost_cpu onnx; do
  find "$tmp/$name" -iname 'LICENSE*' -type f | head -1 | xargs -r -I{} cp {} "$dest/licenses/$name.txt"
done
find "$tmp"/yyjson-* -iname 'LICENSE*' -type f | head -1 | xargs -r -I{} cp {} "$dest/licenses/yyjson.txt"
echo "$stamp" > "$dest/.stamp"
