#!/usr/bin/env bash
# Fails if the kernel objects hold instructions marked {vex} in the disassembly: g++ once turned a plain loop of a Highway target into a
# VEX vpdpbusd, which CPUs with AVX-512 but without AVX-VNNI do not have.
#   no_vex_encoding.sh FILE...
set -euo pipefail
if objdump -d --no-show-raw-insn "$@" | grep -m 5 '{vex}'; then
  echo "instructions with {vex} found in the kernel objects" >&2
  exit 1
fi
echo "no {vex} instructions in $# file(s)"
