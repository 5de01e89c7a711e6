#!/usr/bin/env bash
# Install what a build needs from the distribution's packages (Debian, Ubuntu). Never asks; does nothing when all is there.
#
#   tools/setup.sh          to build and to test
#   tools/setup.sh fuzz     also clang and its fuzzing runtime
set -euo pipefail

need=(gcc libc6-dev make cmake ninja-build pkg-config python3 python3-pip python3-venv patchelf unzip ca-certificates curl
  libssl-dev libcurl4-openssl-dev libuv1-dev zlib1g-dev libsqlite3-dev libfyaml-dev libprotobuf-c-dev protobuf-c-compiler libgomp1)
# npm brings one library and about 400 small packages with Debian's npm; an npm from elsewhere is as good, and once the library is there it is not needed.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if ! command -v npm >/dev/null && ! [ -f "$here/deps/native/lib/libduckdb.so" ]; then need+=(npm); fi
if [ "${1:-}" = fuzz ] && ! command -v clang >/dev/null; then need+=(clang); fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  missing=()
  for program in gcc make cmake ninja python3 patchelf protoc-c npm; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "setup: this system has no apt-get; please install: ${missing[*]}" >&2
    echo "setup: the Debian packages are: ${need[*]}" >&2
    exit 1
  fi
  exit 0
fi

missing_of() { # the packages among the arguments that are not installed
  local known
  known=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | awk '$2 == "installed" { print $1 }' || true)
  for package in "$@"; do
    grep -qxF "$package" <<<"$known" || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
  echo "setup: installing with apt-get: $*"
  if [ "$(id -u)" -ne 0 ] && ! { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; then
    echo "setup: that needs root, and sudo is not here or would ask for a password. Please run this, then try again:" >&2
    echo "  sudo apt-get install --no-install-recommends $*" >&2
    exit 1
  fi
  local log quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  log=$(mktemp)
  # Package lists may be absent or old; a first failure may only mean that.
  if ! { ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 && as_root "${quiet[@]}" install --no-install-recommends "$@" >"$log" 2>&1; }; then
    if ! { as_root "${quiet[@]}" update && as_root "${quiet[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      rm -f "$log"
      echo "setup: apt-get could not install these packages (see above)" >&2
      exit 1
    fi
  fi
  rm -f "$log"
}

mapfile -t missing < <(missing_of "${need[@]}")
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi

if [ "${1:-}" = fuzz ]; then # the runtime of libFuzzer is a package of its own, named after clang's version
  runtime=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
  mapfile -t missing < <(missing_of "$runtime")
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
fi
