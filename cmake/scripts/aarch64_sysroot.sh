#!/usr/bin/env bash
# Unpacks the arm64 libraries that the aarch64 preset links into DIR (default build/aarch64-sysroot). They cannot be installed beside
# the amd64 ones (libpthreadpool is not Multi-Arch), so their packages are only unpacked. Needs apt, and root or sudo the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
sysroot=${1:-build/aarch64-sysroot}
stamp=$sysroot/.complete
[ ! -e "$stamp" ] || exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
if ! dpkg --print-foreign-architectures | grep -qx arm64; then
  "${as_root[@]}" dpkg --add-architecture arm64
  "${as_root[@]}" apt-get update -qq
fi

compiled=(libhwy-dev libhwy1 libpthreadpool-dev libpthreadpool0 libfxdiv-dev libxxhash-dev libxxhash0 libfmt-dev libfmt9 libonnx-dev libonnx1 libonnx-proto1 libprotobuf-dev
          libprotobuf32 zlib1g)
headers=(libcli11-dev nlohmann-json3-dev catch2 libsimde-dev)
wanted=(libstb-dev:arm64 libflatbuffers-dev:arm64)
for package in "${compiled[@]}"; do
  apt-cache show "$package:arm64" >/dev/null 2>&1 && wanted+=("$package:arm64")
done
wanted+=("${headers[@]}")

mkdir -p "$sysroot/debs"
(cd "$sysroot/debs" && apt-get download -qq "${wanted[@]}")
for deb in "$sysroot"/debs/*.deb; do dpkg -x "$deb" "$sysroot"; done
rm -r "$sysroot/debs"
touch "$stamp"
