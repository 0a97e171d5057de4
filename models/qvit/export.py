"""Writes a Q-ViT as ONNX.

    python export.py --size digits --bits 4 --checkpoint digits_w4a4.pt --out DIR
    python export.py --size deit_small --bits 3 --out DIR [--one-head]     calibrated, not trained
    python export.py --size deit_small --plain --out DIR                   the float network without quantisers

Files: SIZE_wBaB.onnx (TorchScript exporter, opset 17); with --dynamo also SIZE_wBaB_dynamo.onnx (dynamo exporter, --opset 18 or
20). --dynamic-batch leaves the batch dimension open and appends _batch to the name.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import exact_vit
import measure
import numpy as np
import torch
from calibrate import calibrated
from images import random_images
from model import WIDTHS, qvit
from onnx_export import dynamo_export, torchscript_export
from oracle import Exact
from vit import CONFIGS, VisionTransformer


def load_checkpoint(size: str, bits: int, checkpoint: Path) -> VisionTransformer:
    model = qvit(CONFIGS[size], bits)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


def write_oracle(model: VisionTransformer, trained: bool, stem: Path, count: int) -> None:
    """STEM_oracle.json; the images are the first held-out ones, or random ones, which STEM_input.npy then keeps."""
    images = measure.held_out()[0][:count] if trained else random_images(model.cfg, count, seed=2)
    if not trained:
        np.save(f"{stem}_input.npy", images)
    Path(f"{stem}_oracle.json").write_text(json.dumps(exact_vit.report(model, Exact(model.cfg.tokens), images), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=CONFIGS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bits", type=int, choices=WIDTHS)
    what.add_argument("--plain", action="store_true", help="the float network without quantisers")
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict")
    parser.add_argument("--one-head", action="store_true", help="no distillation token and head")
    parser.add_argument("--oracle", type=int, default=0, metavar="IMAGES", help="write the oracle's record of so many images")
    parser.add_argument("--dynamic-batch", action="store_true")
    parser.add_argument("--dynamo", action="store_true", help="also export with the dynamo exporter")
    parser.add_argument("--opset", type=int, choices=(18, 20), default=18, help="of the dynamo exporter")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    cfg = CONFIGS[args.size].one_head() if args.one_head else CONFIGS[args.size]

    if args.plain:
        torch.manual_seed(1)
        model = qvit(cfg, None).eval()
    elif args.checkpoint:
        model = load_checkpoint(args.size, args.bits, args.checkpoint)
    else:
        model = calibrated(cfg, args.bits)
    name = args.size + ("_one_head" if args.one_head else "") + ("_plain" if args.plain else f"_w{args.bits}a{args.bits}")
    name += "_batch" if args.dynamic_batch else ""
    torchscript_export(model, args.out / f"{name}.onnx", args.dynamic_batch)
    if args.dynamo:
        dynamo_export(model, args.out / f"{name}_dynamo.onnx", args.opset, args.dynamic_batch)
    if args.oracle:
        write_oracle(model, args.checkpoint is not None, args.out / name, args.oracle)


if __name__ == "__main__":
    main()
