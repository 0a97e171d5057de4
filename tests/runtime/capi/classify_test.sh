#!/usr/bin/env bash
# The example program on a small model and picture, and on wrong ones: classify_test.sh CLASSIFY MODEL WORK_DIR
set -uo pipefail
read -ra classify <<< "$1"
model=$2 work=$3
fail() { echo "classify_test: $1" >&2; exit 1; }
rm -rf "$work" && mkdir -p "$work"
printf 'P5\n4 4\n255\nABCDEFGHIJKLMNOP' > "$work/grey.pgm"
printf 'P6\n2 2\n255\nabcdefghijkl' > "$work/colour.ppm"
printf 'P5\n4 4\n255\nABC' > "$work/short.pgm"
head -c 1000 "$model" > "$work/short.bittern"

for picture in grey.pgm colour.ppm; do
  answer=$("${classify[@]}" "$model" "$work/$picture") || fail "$picture: got exit code $?, expected 0"
  [ "$(echo "$answer" | wc -l)" -eq 3 ] || fail "$picture: got '$answer', expected three lines"
  [ "$(echo "$answer" | awk '{print $2}' | sort | tr '\n' ' ')" = "cat dog owl " ] || fail "$picture: got '$answer', expected each label once"
  echo "$answer" | awk 'NR > 1 && $3 > last {exit 1} {last = $3; sum += $3} END {exit !(sum > 0.99 && sum < 1.01)}' ||
    fail "$picture: got '$answer', expected falling scores that sum to 1"
done

check_failure() {  # exit code, part of the message, arguments
  local code=$1 message=$2 output
  shift 2
  output=$("${classify[@]}" "$@" 2>&1 >/dev/null)
  local got=$?
  [ "$got" -eq "$code" ] || fail "$*: got exit code $got, expected $code"
  [ "$(echo "$output" | wc -l)" -eq 1 ] || fail "$*: got '$output', expected one line"
  [[ $output == *"$message"* ]] || fail "$*: got '$output', expected '$message' in it"
}
check_failure 2 usage "$model"
check_failure 1 "no binary PPM" "$model" "$work/short.pgm"
check_failure 1 "not found" "$work/nothing.bittern" "$work/grey.pgm"
check_failure 1 "corrupt file" "$work/short.bittern" "$work/grey.pgm"
echo "classify answers and fails as it should"
