"""Writes a TerViT as ONNX.

    python export.py --size digits --act static --checkpoint digits_static.pt --out DIR
    python export.py --size swin_small --act dynamic --out DIR             calibrated, not trained
    python export.py --size deit_small --act plain --out DIR               the float network without quantisers

Files: SIZE_ACT.onnx (TorchScript exporter, opset 17); with --dynamo also SIZE_ACT_dynamo.onnx (dynamo exporter, --opset 18 or
20). --qdq spells the static quantisers as QuantizeLinear and DequantizeLinear and appends _qdq; --dynamic-batch leaves the batch
dimension open and appends _batch; --distilled adds the distillation token and head of DeiT and appends _distilled.
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
from model import CONFIGS, VARIANTS, distilled, tervit
from onnx_export import dynamo_export, torchscript_export
from oracle import Exact
from quantizers import StaticAct
from torch import nn


def load_checkpoint(size: str, variant: str, checkpoint: Path) -> nn.Module:
    model = tervit(CONFIGS[size], variant)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


def write_oracle(model: nn.Module, variant: str, trained: bool, stem: Path, count: int) -> None:
    """STEM_oracle.json; the images are the first held-out ones, or random ones, which STEM_input.npy then keeps."""
    images = measure.held_out()[0][:count] if trained else random_images(model.cfg, count, seed=2)
    if not trained:
        np.save(f"{stem}_input.npy", images)
    Path(f"{stem}_oracle.json").write_text(json.dumps(exact_vit.report(model, Exact(variant), images), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=CONFIGS, required=True)
    parser.add_argument("--act", choices=VARIANTS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict")
    parser.add_argument("--distilled", action="store_true", help="two heads (DeiT only)")
    parser.add_argument("--qdq", action="store_true")
    parser.add_argument("--oracle", type=int, default=0, metavar="IMAGES", help="write the oracle's record of so many images (DeiT; static, dynamic)")
    parser.add_argument("--dynamic-batch", action="store_true")
    parser.add_argument("--dynamo", action="store_true", help="also export with the dynamo exporter")
    parser.add_argument("--opset", type=int, choices=(18, 20), default=18, help="of the dynamo exporter")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    cfg = distilled(CONFIGS[args.size]) if args.distilled else CONFIGS[args.size]

    model = load_checkpoint(args.size, args.act, args.checkpoint) if args.checkpoint else calibrated(cfg, args.act)
    for module in model.modules():
        if args.qdq and isinstance(module, StaticAct):
            module.spell_as_qdq()
    name = f"{args.size}{'_distilled' if args.distilled else ''}_{args.act}"
    name += ("_qdq" if args.qdq else "") + ("_batch" if args.dynamic_batch else "")
    torchscript_export(model, args.out / f"{name}.onnx", args.dynamic_batch)
    if args.dynamo:
        dynamo_export(model, args.out / f"{name}_dynamo.onnx", args.opset, args.dynamic_batch)
    if args.oracle:
        write_oracle(model, args.act, args.checkpoint is not None, args.out / name, args.oracle)


if __name__ == "__main__":
    main()
