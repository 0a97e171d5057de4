#!/usr/bin/env bash
# The main job, from nothing: installs what is missing, builds the tool, packs the bundled trained 1-bit vision transformer,
# classifies the bundled images, and prints answers, accuracy, sizes and latency.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/deps.sh build
tool=build/release/bittern
model=models/bivit
out=build/demo
mkdir -p "$out"

echo "demo: building $tool"
# The system's cmake, whatever else is on PATH: the presets need 3.25 or later.
cmake --preset release -DBITTERN_BUILD_TESTS=OFF -DBITTERN_BUILD_BENCH=OFF >"$out/build.log"
cmake --build --preset release --target bittern_tool >>"$out/build.log" || { tail -n 30 "$out/build.log" >&2; exit 1; }

echo "demo: packing $model/digits.onnx"
"$tool" convert "$model/digits.onnx" -o "$out/digits.bittern" --preprocess "$model/digits.json" --labels "$model/labels.txt" \
  --report "$out/digits.report.json"

echo "demo: ten hand-written digits"
inputs=()
for image in "$model"/samples/*.png; do inputs+=(--input "$image"); done
"$tool" run "$out/digits.bittern" "${inputs[@]}"

echo "demo: 2,000 images that training never saw"
"$tool" run "$out/digits.bittern" --input "$model/digits_images.npy" --expect "$model/digits_labels.npy"

echo "demo: size and latency"
printf 'size  %s bytes as ONNX, %s bytes packed\n' "$(stat -c %s "$model/digits.onnx")" "$(stat -c %s "$out/digits.bittern")"
"$tool" bench "$out/digits.bittern" --min-time 1
