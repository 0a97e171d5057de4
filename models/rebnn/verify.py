"""Measures the committed digits file on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . --checkpoint DIR/digits.pt [--oracle 40] [--update model.json]

Writes digits_answers.npy; `--update` writes the figures and the SHA-256 of the committed files into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import oracle
import torch
from export import load_checkpoint
from tape import Tape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_checkpoint("digits", args.checkpoint)
    result = {"images": 2000, "oracle_images": args.oracle}
    filters = oracle.float_filters(args.dir / "digits.onnx")
    result |= measure.measure_variant(args.dir, "digits", model, lambda image: oracle.run(model, filters, image, Tape()), args.oracle)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, "digits", result)


if __name__ == "__main__":
    main()
