#!/usr/bin/env bash
# Makes deit_tiny.bittern, deit_tiny_input.npy and deit_tiny_oracle.json. Needs the Python packages of models/requirements.txt and a built tool.
#   make_deit_tiny.sh PYTHON TOOL
set -euo pipefail
python=$1 tool=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$python" "$here/../../models/bivit/export.py" --size deit_tiny --out "$work"
"$tool" convert "$work/deit_tiny.onnx" -o "$here/deit_tiny.bittern"
"$python" - "$work" "$here" <<'PY'
import json, sys
import numpy as np
work, here = sys.argv[1:]
np.save(f"{here}/deit_tiny_input.npy", np.load(f"{work}/deit_tiny_input.npy")[:1])  # one image is enough
record = json.load(open(f"{work}/deit_tiny_oracle.json"))[:1]
json.dump(record, open(f"{here}/deit_tiny_oracle.json", "w"), indent=1)
PY
