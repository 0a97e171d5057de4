#!/usr/bin/env bash
# The dependency rule: every project include of every source file must be allowed by dependency_rule.txt; third-party headers stay in
# their rooms; no ../ includes; no family includes another's private (-inl.h, _kernels) file.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=cmake/scripts/dependency_rule.txt
failures=0
fail() { echo "$1" >&2; failures=$((failures + 1)); }

# Longest matching row of the table for a file.
rule_for() {
  local best="" row
  while IFS= read -r row; do
    case "$1" in "$row"/* | "$row") [ ${#row} -gt ${#best} ] && best=$row ;; esac
  done < <(sed -n 's/^\([a-z][^:#]*\):.*/\1/p' "$table")
  echo "$best"
}

check_project_include() {  # file, rule, allowed folders, included header
  local file=$1 rule=$2 allowed=$3 header=$4 folder
  case "$header" in
    "$rule"/*) return ;;
    *-inl.h | *_kernels.h | *_kernels.inc)
      case "$header" in kernels/base/*) ;; *) fail "$file: includes the private file $header of another folder"; return ;; esac ;;
  esac
  for folder in $allowed; do
    case "$header" in "$folder" | "$folder"/*) return ;; esac
  done
  fail "$file: may not include $header (rule '$rule: $allowed')"
}

check_third_party() {  # file, header
  case "$2" in
    google/* | onnx/*) case "$1" in converter/onnx/*) ;; *) fail "$1: protobuf/ONNX header $2 outside converter/onnx" ;; esac ;;
    flatbuffers/*) case "$1" in runtime/format/*) ;; *) fail "$1: FlatBuffers header outside runtime/format" ;; esac ;;
    hwy/*) case "$1" in kernels/*) ;; *) fail "$1: Highway header outside kernels" ;; esac ;;
    CLI/*) case "$1" in runtime/cli/* | converter/cli/*) ;; *) fail "$1: CLI11 header outside the command line" ;; esac ;;
    pthreadpool.h) case "$1" in runtime/base/*) ;; *) fail "$1: pthreadpool header outside runtime/base" ;; esac ;;
  esac
}

while IFS= read -r file; do
  rule=$(rule_for "$file")
  [ -n "$rule" ] || { fail "$file: no row in $table"; continue; }
  allowed=$(sed -n "s#^$rule: *##p" "$table")
  while IFS= read -r line; do
    header=${line#*[\"<]}
    header=${header%%[\">]*}
    case "$header" in
      *../*) fail "$file: include with ../ ($header)" ;;
      kernels/* | runtime/* | converter/* | bittern/*) check_project_include "$file" "$rule" "$allowed" "$header" ;;
      *) check_third_party "$file" "$header" ;;
    esac
  done < <(grep -E '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' "$file")
done < <(find kernels runtime converter \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cc' \) -not -name '*_generated.h' | sort)

[ "$failures" -eq 0 ] || { echo "$failures violation(s) of the dependency rule" >&2; exit 1; }
echo "dependency rule holds"
