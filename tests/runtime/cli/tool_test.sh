#!/usr/bin/env bash
# The tool as a user meets it: help, usage errors (2), named failures (1, one line on stderr, nothing half-written).
#   tool_test.sh TOOL SOURCE_DIR WORK_DIR
set -uo pipefail
tool=$1 source=$2 work=$3
read -r -a tool <<<"$tool"  # the emulator may stand before the tool
rm -rf "$work" && mkdir -p "$work"
failures=0
complain() { echo "FAILED: $1" >&2; failures=$((failures + 1)); }

# expect CODE WORDS... -- ARGS...: exit code, and every word in the output
expect() {
  local code=$1; shift
  local words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  "${tool[@]}" "$@" >"$work/out" 2>"$work/err" </dev/null
  local got=$?
  [ "$got" -eq "$code" ] || complain "bittern $*: exit $got, expected $code: $(cat "$work/err")"
  for word in "${words[@]}"; do
    grep -qF -- "$word" "$work/out" "$work/err" || complain "bittern $*: no '$word' in: $(cat "$work/out" "$work/err")"
  done
  if [ "$code" -eq 1 ]; then
    [ "$(wc -l <"$work/err")" -eq 1 ] || complain "bittern $*: expected one line on stderr, got: $(cat "$work/err")"
    [ ! -s "$work/out" ] || complain "bittern $*: printed before failing: $(cat "$work/out")"
  fi
}

expect 0 Usage convert run bench -- --help
expect 0 bittern -- --version
for command in run bench inspect cpu convert compare; do expect 0 Example -- "$command" --help; done
expect 2 -- 
expect 2 -- nonsense
expect 2 -- run
expect 2 -- run model.bittern --no-such-option
expect 2 -- bench "$work/none.bittern" --threads 0

expect 1 "$work/none.bittern" -- run "$work/none.bittern" --input x.png
expect 1 "$work/none.bittern" -- bench "$work/none.bittern"
expect 1 "$work/none.onnx" -- convert "$work/none.onnx" -o "$work/none.bittern"
expect 1 "regular file" -- convert "$work" -o "$work/none.bittern"
head -c 4096 /dev/urandom >"$work/noise"
cp "$work/noise" "$work/noise.bittern"; cp "$work/noise" "$work/noise.onnx"; cp "$work/noise" "$work/noise.png"; cp "$work/noise" "$work/noise.npy"
expect 1 noise.bittern -- inspect "$work/noise.bittern"
expect 1 noise.onnx -- convert "$work/noise.onnx" -o "$work/x.bittern"
expect 1 noise.onnx -- inspect "$work/noise.onnx"

for bad in "$source"/tests/data/onnx/bad/*.onnx; do  # unknown op, missing tensor, wrong shape, cycle, 0-sized and huge dimensions, ...
  expect 1 -- convert "$bad" -o "$work/x.bittern"
done

bivit=$source/models/bivit
expect 0 "products low-bit" -- convert "$bivit/digits.onnx" -o "$work/digits.bittern" --preprocess "$bivit/digits.json" --labels "$bivit/labels.txt" --report "$work/report.json"
expect 0 "1-bit weights" -- inspect "$work/digits.bittern" --layers
expect 0 MatMul -- inspect "$bivit/digits.onnx"
expect 0 median_ms= min_ms= peak_rss_mb= -- bench "$work/digits.bittern" --runs 3 --profile --json "$work/bench.json" --html "$work/bench.html"
expect 0 accuracy -- run "$work/digits.bittern" --input "$bivit/digits_images.npy" --expect "$bivit/digits_labels.npy"
expect 0 " 0 unexplained" -- compare "$bivit/digits.onnx" "$work/digits.bittern"
expect 0 "0 unexplained" "products low-bit" -- convert "$bivit/digits.onnx" -o "$work/verified.bittern" --verify --report "$work/report.html"
for fixture in "$source"/tests/data/catalogue/*/ "$source"/tests/data/exporters/*/; do
  expect 0 "0 unexplained" -- convert "$fixture/model.onnx" -o "$work/verified.bittern" --verify
done
grep -q "What every product became" "$work/report.html" || complain "convert --report made no page"
sample=$(ls "$bivit"/samples/*.png | head -n 1)
expect 0 -- run "$work/digits.bittern" --input "$sample" --top 3 --output-dir "$work/results"
[ -n "$(ls "$work/results" 2>/dev/null)" ] || complain "run --output-dir wrote nothing"

# An open batch takes the sizes of the array: zeros, f32 [N,...] (npy DIMS BYTES).
npy() {
  printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($1), }"
  head -c "$2" /dev/zero
}
expect 0 "batch is open" -- convert "$source/tests/data/onnx/class_token/model.onnx" -o "$work/open.bittern"
npy "3, 2, 4" 96 >"$work/three.npy"
npy "3, 2, 3" 72 >"$work/wrong.npy"
expect 0 three.npy -- run "$work/open.bittern" --input "$work/three.npy" --output-dir "$work/three"
grep -aq "(3, 3, 4, )" "$work/three/"*.npy || complain "a batch of three gave another number of answers"
expect 1 "[3,2,3]" "[?,2,4]" -- run "$work/open.bittern" --input "$work/wrong.npy"

# What only the run knows: one of these samples finds more than the other.
sizes=$source/tests/data/onnx/run_time_sizes
expect 0 "dynamic plan" "1 of 1 products low-bit" -- convert "$sizes/model.onnx" -o "$work/sizes.bittern"
expect 0 dynamic "f32[?]" -- inspect "$work/sizes.bittern"
npy "2, 8" 64 >"$work/nothing.npy"
{ npy "2, 8" 0; for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do printf '\x00\x00\x80\xbf'; done; } >"$work/some.npy"
expect 0 "f32[0]" -- run "$work/sizes.bittern" --input "$work/nothing.npy" --output-dir "$work/found"
grep -aq "(0, )" "$work/found/y.npy" || complain "nothing found gave something"
expect 0 some.npy -- run "$work/sizes.bittern" --input "$work/nothing.npy" --input "$work/some.npy"
"${tool[@]}" run "$work/sizes.bittern" --input "$work/nothing.npy" --input "$work/some.npy" --output-dir "$work/found" >/dev/null 2>"$work/err"
[ $? -eq 1 ] && grep -q "one by one" "$work/err" || complain "outputs [2,0] and [2,n] were joined"

# A choice and a loop that the run decides: without a score above 0 no turn.
flow=$source/tests/data/onnx/run_time_flow
expect 0 "dynamic plan" "1 of 1 products low-bit" -- convert "$flow/model.onnx" -o "$work/flow.bittern"
expect 0 "f32[?,3]" EndLoop -- inspect "$work/flow.bittern"
expect 0 nothing.npy -- run "$work/flow.bittern" --input "$work/nothing.npy" --output-dir "$work/flow"
grep -aq "(2, 3, )" "$work/flow/y.npy" || complain "the second branch gave another size"
grep -aq "(0, )" "$work/flow/rows.npy" || complain "a loop without a turn gave rows"

expect 1 noise.png -- run "$work/digits.bittern" --input "$work/noise.png"
expect 1 noise.npy -- run "$work/digits.bittern" --input "$work/noise.npy"
expect 1 digits_labels.npy expected -- run "$work/digits.bittern" --input "$bivit/digits_labels.npy"
expect 1 noise.npy -- run "$work/digits.bittern" --input "$sample" --expect "$work/noise.npy"
expect 1 target -- bench "$work/digits.bittern" --target nonsense
expect 1 nosuch -- bench "$work/digits.bittern" --shape nosuch=1,1,28,28
expect 1 --shape -- bench "$work/digits.bittern" --shape nosuch
# A detector: boxes as text and drawn.
echo '{"resize": "bilinear", "fit": "pad"}' >"$work/pre.json"
echo '{}' >"$work/post.json"
printf 'sun\nmoon\n' >"$work/things.txt"
expect 0 -- convert "$source/tests/data/onnx/boxes/model.onnx" -o "$work/boxes.bittern" --preprocess "$work/pre.json" --postprocess "$work/post.json" --labels "$work/things.txt"
expect 0 "scores logits (softmax), boxes boxes (cxcywh)" -- inspect "$work/boxes.bittern"
{ printf 'P5 300 200 255\n'; head -c 60000 /dev/zero | tr '\0' '\377'; } >"$work/bright.pgm"  # 8 x 5 of 8 x 8
{ printf 'P5 300 200 255\n'; head -c 60000 /dev/zero; } >"$work/dark.pgm"
{ printf 'P5 1 1 255\n'; head -c 1 /dev/zero; } >"$work/one.pgm"
expect 0 "bright.pgm: 1 box" "sun (0.8176)" "0.0      0.0    150.0    160.0" -- run "$work/boxes.bittern" --input "$work/bright.pgm" --draw "$work/bright.png"
expect 0 "dark.pgm: 1 box" "moon (0.99" "150.0    160.0    300.0    200.0" -- run "$work/boxes.bittern" --input "$work/dark.pgm"
expect 0 "bright.png: 1 box" "sun (0.8" -- run "$work/boxes.bittern" --input "$work/bright.png"
expect 0 "one.pgm: 1 box" "moon (0.99" -- run "$work/boxes.bittern" --input "$work/one.pgm" --draw "$work/one.png"
expect 0 "dark.pgm: 0 boxes" -- run "$work/boxes.bittern" --input "$work/dark.pgm" --threshold 1
expect 1 "expected one image" -- run "$work/boxes.bittern" --input "$work/dark.pgm" --input "$work/dark.pgm" --draw "$work/x.png"
expect 1 "no post-processing" -- run "$work/digits.bittern" --input "$sample" --draw "$work/x.png"
expect 1 "gives classes" -- run "$work/boxes.bittern" --input "$work/dark.pgm" --expect "$bivit/digits_labels.npy"
expect 1 "$work/no/such" -- run "$work/boxes.bittern" --input "$work/dark.pgm" --draw "$work/no/such/x.png"
expect 1 ".png" -- run "$work/boxes.bittern" --input "$work/dark.pgm" --draw "$work/x.jpg"
expect 2 threshold -- run "$work/boxes.bittern" --input "$work/dark.pgm" --threshold nan
expect 2 threshold -- run "$work/boxes.bittern" --input "$work/dark.pgm" --threshold 2
expect 1 '"boxes"' -- convert "$bivit/digits.onnx" -o "$work/x.bittern" --postprocess "$work/post.json"
[ ! -e "$work/x.png" ] || complain "a failed run left x.png behind"
head -c 100000 "$work/digits.bittern" >"$work/short.bittern"
expect 1 short.bittern -- run "$work/short.bittern" --input "$sample"
expect 1 "$work/no/such" -- convert "$bivit/digits.onnx" -o "$work/no/such/dir.bittern"
expect 1 labels.txt -- convert "$bivit/digits.onnx" -o "$work/x.bittern" --preprocess "$bivit/labels.txt"
expect 1 nosuch -- convert "$bivit/digits.onnx" -o "$work/x.bittern" --shape nosuch=1,2
[ ! -e "$work/x.bittern" ] || complain "a failed convert left x.bittern behind"
leftovers=$(find "$work" -name '*.tmp*')
[ -z "$leftovers" ] || complain "temporary files left behind: $leftovers"

[ "$failures" -eq 0 ] || { echo "$failures failure(s)" >&2; exit 1; }
echo "tool: all checks passed"
