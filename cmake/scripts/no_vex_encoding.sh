#!/usr/bin/env bash
# Fails if functions hold instructions marked {vex} in the disassembly: g++ once turned a plain loop of a Highway target into a VEX
# vpdpbusd, which CPUs with AVX-512 but without AVX-VNNI do not have. Only functions of namespace avxvnni may hold them.
#   no_vex_encoding.sh FILE...     files with symbols
set -euo pipefail
objdump -d --no-show-raw-insn "$@" | awk '
  /^[0-9a-f]+ <.*>:$/ { name = $2 }
  /\{vex\}/ { if (name ~ /avxvnni/) allowed++; else if (bad++ < 5) print name, $0 }
  END {
    if (bad) { print bad " instructions with {vex} outside namespace avxvnni" > "/dev/stderr"; exit 1 }
    print "no {vex} instructions outside namespace avxvnni, " allowed + 0 " inside"
  }'
