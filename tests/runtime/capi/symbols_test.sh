#!/usr/bin/env bash
# What libbittern exports, links and calls:
#   symbols_test.sh LIBBITTERN.so LIBBITTERN.a WORK_DIR NM READELF STRIP
set -euo pipefail
shared=$1 archive=$2 work=$3 nm=$4 readelf=$5 strip=$6
here=$(dirname "$0")
fail() { echo "symbols_test: $1" >&2; exit 1; }
rm -rf "$work" && mkdir -p "$work"

# Exactly the approved list; a new function is approved by adding it there.
"$nm" -D --defined-only "$shared" | awk '{print $NF}' | sort > "$work/exported.txt"
diff "$here/symbols.txt" "$work/exported.txt" || fail "the exported symbols differ from symbols.txt"

"$readelf" -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' > "$work/needed.txt"
if grep -iE 'proto|onnx|fmt' "$work/needed.txt"; then fail "the library needs the library above"; fi

# The library prints nothing, ends no process and reads no environment.
"$nm" -u "$archive" | awk '{print $NF}' | sort -u > "$work/used.txt"
grep -q '^memcpy$' "$work/used.txt" || fail "got no undefined symbols from $archive, expected the C library's"
forbidden='_*(v?f?printf(_chk)?|puts|fputs|putc|putchar|fputc|fwrite|perror|abort|_?[eE]xit|quick_exit|(secure_)?getenv|setenv|syslog|signal|setlocale)'
if grep -xE "$forbidden" "$work/used.txt"; then fail "the library calls the function above"; fi
if grep -E '^_ZSt4(cout|cerr|clog)|^_ZNSt8ios_base4Init' "$work/used.txt"; then fail "the library prints through the stream above"; fi

cp "$shared" "$work/stripped.so"
"$strip" "$work/stripped.so"
size=$(stat -c %s "$work/stripped.so")
[ "$size" -lt 2000000 ] || fail "stripped size: got $size bytes, expected less than 2000000"
echo "$(wc -l < "$work/exported.txt") symbols, $size bytes stripped, needs: $(tr '\n' ' ' < "$work/needed.txt")"
