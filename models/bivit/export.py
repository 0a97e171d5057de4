"""Writes a Bi-ViT as ONNX: raw from both torch exporters, collapsed, and the oracle's record.

    python export.py --size digits --checkpoint digits.pt --out DIR
    python export.py --size deit_tiny --out DIR [--one-head]            calibrated, not trained
    python export.py --size deit_tiny --out DIR --plain                 the float network without quantisers
    python export.py --size swin_tiny --out DIR [--plain]               calibrated, not trained: raw and collapsed (binary_swin.py)
    python export.py --size digits --checkpoint digits.pt --out DIR --dynamic-batch     only NAME_dynamic.onnx, batch left open

Files: NAME.onnx (TorchScript exporter, opset 17), NAME_dynamo.onnx (dynamo exporter, opset 18), NAME_collapsed.onnx,
NAME_oracle.json, and for the calibrated sizes NAME_input.npy, the images that the oracle saw.
"""

import argparse
import json
from pathlib import Path

import binary_swin
import common  # noqa: F401  (../common)
import mnist
import numpy as np
import onnx
import oracle
import torch
from calibrate import calibrated
from collapsed import collapse, to_onnx
from images import random_images
from model import CONFIGS, BiVit
from onnx_export import dynamo_export, torchscript_export

ORACLE_IMAGES = 2


def load_checkpoint(size: str, checkpoint: Path) -> BiVit:
    model = BiVit(CONFIGS[size])
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


def write_all(model: BiVit, name: str, out: Path, images: np.ndarray) -> None:
    torchscript_export(model, out / f"{name}.onnx")
    dynamo_export(model, out / f"{name}_dynamo.onnx")
    collapsed = collapse(model)
    onnx.save(to_onnx(collapsed), str(out / f"{name}_collapsed.onnx"))
    (out / f"{name}_oracle.json").write_text(json.dumps(oracle.report(collapsed, images), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[*CONFIGS, *binary_swin.CONFIGS], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict (digits)")
    parser.add_argument("--images", type=Path, help="uint8 images for the oracle (digits)")
    parser.add_argument("--one-head", action="store_true", help="no distillation token and head")
    parser.add_argument("--dynamic-batch", action="store_true", help="write only the raw export with an open batch dimension")
    parser.add_argument("--plain", action="store_true", help="the float network without quantisers")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    if args.size in binary_swin.CONFIGS:
        binary_swin.write_all(args.size, args.out, args.plain)
        return
    cfg = CONFIGS[args.size].one_head() if args.one_head else CONFIGS[args.size]
    name = args.size + ("_one_head" if args.one_head else "")

    if args.plain:
        torch.manual_seed(1)
        torchscript_export(BiVit(cfg, plain=True).eval(), args.out / f"{name}_plain.onnx")
    elif args.dynamic_batch:
        model = load_checkpoint(args.size, args.checkpoint) if args.checkpoint else calibrated(cfg)
        torchscript_export(model, args.out / f"{name}_dynamic.onnx", dynamic_batch=True)
    elif args.checkpoint:
        images = mnist.normalise(np.load(args.images or args.out / "digits_images.npy")[:ORACLE_IMAGES])
        write_all(load_checkpoint(args.size, args.checkpoint), name, args.out, images)
    else:
        images = random_images(cfg, ORACLE_IMAGES, seed=2)
        np.save(args.out / f"{name}_input.npy", images)
        write_all(calibrated(cfg), name, args.out, images)


if __name__ == "__main__":
    main()
