#!/usr/bin/env bash
# File sizes of hand-written sources: hard cap 800 lines, headers 250, the C API 400 (one header, which holds all of it); prints median and
# 90th percentile.
set -euo pipefail
cd "$(dirname "$0")/../.."
failed=0
sizes=$(find kernels runtime converter tests bench models \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cc' -o -name '*.py' \) -print0 |
  xargs -0 wc -l | awk '$2 != "total" {print $1, $2}' | sort -n)
while read -r lines file; do
  [ "$lines" -le 800 ] || { echo "$file: $lines lines, the cap is 800" >&2; failed=1; }
  case "$file" in
    runtime/include/bittern/bittern.h) [ "$lines" -le 400 ] || { echo "$file: $lines lines, its cap is 400" >&2; failed=1; } ;;
    *.h | *.hpp) [ "$lines" -le 250 ] || { echo "$file: $lines lines, the cap for a header is 250" >&2; failed=1; } ;;
  esac
done <<<"$sizes"
echo "$sizes" | awk '{a[NR] = $1} END {print NR " files, median " a[int((NR + 1) / 2)] ", 90th percentile " a[int(NR * 0.9)] ", largest " a[NR]}'
exit "$failed"
