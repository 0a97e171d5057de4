"""Writes a ReBNN as ONNX.

    python export.py --size digits --checkpoint digits.pt --out DIR [--oracle 2]
    python export.py --size resnet18 --out DIR                             calibrated, not trained; also resnet34, reactnet_a
    python export.py --size resnet18 --out DIR --plain                     the float network of the same shape, SIZE_plain.onnx

Files: SIZE.onnx (TorchScript exporter, opset 17), with --dynamo also SIZE_dynamo.onnx (dynamo exporter, opset 18), with --oracle
SIZE_oracle.json, the oracle's record of so many images, which SIZE_input.npy keeps unless they are the held-out ones.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import numpy as np
import oracle
import reactnet_oracle
import torch
from images import random_images
from model import CONFIGS, ReBnn
from onnx_export import dynamo_export, torchscript_export
from reactnet import REACT_CONFIGS, ReActNet
from torch import nn


def make_model(size: str, plain: bool = False) -> nn.Module:
    return ReActNet(REACT_CONFIGS[size]) if size in REACT_CONFIGS else ReBnn(CONFIGS[size], plain)


def load_checkpoint(size: str, checkpoint: Path) -> nn.Module:
    model = make_model(size)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


@torch.no_grad()
def calibrated(size: str, plain: bool = False) -> nn.Module:
    """Random weights, no latent one 0; statistics of BatchNormalization from random images."""
    torch.manual_seed(1)
    model = make_model(size, plain)
    for name, p in model.named_parameters():
        if name.endswith("conv.weight"):
            p.copy_(torch.where(p == 0, torch.ones_like(p), p))
        elif name.endswith("conv.scale"):
            p.uniform_(0.5, 1.5)
        elif "move" in name:
            p.normal_(0, 0.1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()(torch.from_numpy(random_images(model.cfg, 4, seed=3)))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[*CONFIGS, *REACT_CONFIGS], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict (digits)")
    parser.add_argument("--dynamo", action="store_true", help="also export with the dynamo exporter")
    parser.add_argument("--plain", action="store_true", help="the float network without quantisers")
    parser.add_argument("--oracle", type=int, default=0, metavar="IMAGES")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    if args.plain and args.size in REACT_CONFIGS:
        parser.error("--plain: got a ReActNet, expected a ResNet")
    if args.plain:
        torchscript_export(calibrated(args.size, plain=True), args.out / f"{args.size}_plain.onnx")
        return
    model = load_checkpoint(args.size, args.checkpoint) if args.checkpoint else calibrated(args.size)
    torchscript_export(model, args.out / f"{args.size}.onnx")
    if args.dynamo:
        dynamo_export(model, args.out / f"{args.size}_dynamo.onnx")
    if not args.oracle:
        return
    if args.checkpoint:
        images = measure.held_out()[0][: args.oracle]
    else:
        images = random_images(model.cfg, args.oracle, seed=2)
        np.save(args.out / f"{args.size}_input.npy", images)
    of_model = reactnet_oracle if args.size in REACT_CONFIGS else oracle
    records = of_model.report(model, oracle.float_filters(args.out / f"{args.size}.onnx"), images)
    (args.out / f"{args.size}_oracle.json").write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
