"""Measures the committed digits files on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . --checkpoints DIR [--oracle 40] [--update model.json]

Writes NAME_answers.npy for every file; `--update` writes the figures and the SHA-256 of the committed files into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import exact_vit
import measure
import torch
from export import load_checkpoint
from oracle import Exact
from tape import Tape

COMMITTED = ("static", "dynamic", "float")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    result = {"images": 2000, "oracle_images": args.oracle}
    for variant in COMMITTED:
        name = f"digits_{variant}"
        model = load_checkpoint("digits", variant, args.checkpoints / f"{name}.pt")
        exact = Exact(variant)
        oracle = None if variant == "float" else lambda image: exact_vit.run(model, exact, image, Tape())
        result[variant] = measure.measure_variant(args.dir, name, model, oracle, args.oracle)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, "digits", result)


if __name__ == "__main__":
    main()
