"""Measures the committed digits files on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . --checkpoints DIR [--oracle 40] [--update model.json]

Writes digits_wBaB_answers.npy; `--update` writes the figures and the SHA-256 of the committed files into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import exact_vit
import measure
import torch
from export import load_checkpoint
from model import WIDTHS
from oracle import Exact
from tape import Tape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    result = {"images": 2000, "oracle_images": args.oracle}
    for bits in WIDTHS:
        name = f"digits_w{bits}a{bits}"
        model = load_checkpoint("digits", bits, args.checkpoints / f"{name}.pt")
        exact = Exact(model.cfg.tokens)
        oracle = lambda image: exact_vit.run(model, exact, image, Tape())
        result[f"w{bits}a{bits}"] = measure.measure_variant(args.dir, name, model, oracle, args.oracle)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, "digits", result)


if __name__ == "__main__":
    main()
