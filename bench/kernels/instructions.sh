#!/usr/bin/env bash
# Instructions that each GEMM kernel of SSE4 and AVX2 takes for one product, against the counts in instructions.txt (release preset,
# pinned compiler): noise cannot hide a loss. Ends with 1 if a kernel takes over 2 % more. Needs valgrind, which knows no AVX-512.
#   instructions.sh BUILD_DIR            checks
#   instructions.sh BUILD_DIR --write    writes instructions.txt anew
set -euo pipefail
build=$1 known=$(dirname "$0")/instructions.txt
work=$build/bench/kernels/bittern_bench_work
shape=64x192x192  # m x n x k
percent=2

count() {  # KERNEL PAIR -> instructions
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*MeasuredRun*' "$work" "$1" "$2" "$shape" 2>&1 |
    sed -n 's/.*Collected : //p'
}

# The kernels that valgrind's CPU offers, asked inside it.
list() { valgrind --tool=none -q "$work" | grep "/\(avx2\|sse4\) "; }

if [ "${2:-}" = --write ]; then
  list | while read -r kernel pair; do echo "$kernel $pair $(count "$kernel" "$pair")"; done > "$known.new"
  mv "$known.new" "$known"
  exit 0
fi
failed=0
while read -r kernel pair expected; do
  got=$(count "$kernel" "$pair")
  if [ -z "$got" ]; then
    echo "$kernel $pair: did not run"; failed=1
  elif [ $((got * 100)) -gt $((expected * (100 + percent))) ]; then
    echo "$kernel $pair $shape: got $got instructions, expected at most $percent % over $expected"; failed=1
  fi
done < "$known"
list | while read -r kernel pair; do
  grep -q "^$kernel $pair " "$known" || echo "$kernel $pair: not in instructions.txt; run with --write"
done
[ $failed -eq 0 ] && echo "instructions: $(wc -l < "$known") kernels as before"
exit $failed
