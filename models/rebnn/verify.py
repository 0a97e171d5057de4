"""Measures the committed digits file on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . --checkpoint DIR/digits.pt [--size reactnet_digits] [--oracle 40] [--update model.json]

Writes SIZE_answers.npy; `--update` writes the figures and the SHA-256 of the committed files into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import oracle
import reactnet_oracle
import torch
from export import load_checkpoint
from reactnet import REACT_CONFIGS
from tape import Tape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--size", choices=("digits", "reactnet_digits"), default="digits")
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_checkpoint(args.size, args.checkpoint)
    result = {"images": 2000, "oracle_images": args.oracle}
    filters = oracle.float_filters(args.dir / f"{args.size}.onnx")
    run = reactnet_oracle.run if args.size in REACT_CONFIGS else oracle.run
    result |= measure.measure_variant(args.dir, args.size, model, lambda image: run(model, filters, image, Tape()), args.oracle)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, args.size, result)


if __name__ == "__main__":
    main()
