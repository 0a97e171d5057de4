#!/usr/bin/env bash
# Installs what is missing to build, test or cross-build Bittern, from the distribution's packages only (apt), and says what it does.
#   cmake/deps.sh           what building and running the tool needs
#   cmake/deps.sh test      also what the tests need
#   cmake/deps.sh ci        also the other compilers, the aarch64 cross compiler and its libraries
# Needs root or sudo only if something is missing.
set -euo pipefail

build_packages=(
  cmake ninja-build pkg-config clang-19 g++
  libhwy-dev libpthreadpool-dev libxxhash-dev libfmt-dev libcli11-dev nlohmann-json3-dev libstb-dev
  libflatbuffers-dev flatbuffers-compiler libonnx-dev libprotobuf-dev protobuf-compiler
)
test_packages=(catch2 libbenchmark-dev libonnx-testdata libsimde-dev binutils)
ci_packages=(valgrind clang-14 libclang-rt-19-dev g++-aarch64-linux-gnu qemu-user-static clang-format)

wanted=("${build_packages[@]}")
case "${1:-build}" in
  build) ;;
  test) wanted+=("${test_packages[@]}") ;;
  ci) wanted+=("${test_packages[@]}" "${ci_packages[@]}") ;;
  *) echo "deps.sh: unknown set '$1', expected build, test or ci" >&2; exit 2 ;;
esac

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "deps: all ${#wanted[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "deps.sh: these packages are missing and there is neither root nor sudo to install them: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
