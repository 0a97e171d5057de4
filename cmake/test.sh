#!/usr/bin/env bash
# Installs what is missing, builds the release preset with its tests, runs them all. Non-zero on any failure.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/deps.sh test
cmake --preset release -DBITTERN_BUILD_TESTS=ON -DBITTERN_BUILD_BENCH=ON
cmake --build --preset release
ctest --preset release -j "$(nproc)"
