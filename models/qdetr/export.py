"""Writes a Q-DETR as ONNX.

    python export.py --size scenes --bits 4 --checkpoint scenes_w4a4.pt --out DIR [--dynamo] [--any-size] [--oracle 2]
    python export.py --size detr_r50 --bits 4 --out DIR                    calibrated, not trained; also smca_r50, tiny, tiny_smca
    python export.py --size detr_r50 --plain --out DIR                     the float network of the same shape, SIZE_plain.onnx

Files: SIZE_wBaB.onnx (TorchScript exporter, opset 17), with --dynamo SIZE_wBaB_dynamo.onnx instead (opset 18). --any-size leaves height and
width open and appends _any to the name, --masked keeps DETR's mask of padded pixels and appends _masked. --oracle (scenes) writes NAME_oracle.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import numpy as np
import oracle
import torch
from calibrate import calibrated
from model import CONFIGS, QDetr
from onnx_export import export_detector
from quantizers import WIDTHS
from scenes import normalise


def load_checkpoint(size: str, bits: int, checkpoint: Path) -> QDetr:
    model = QDetr(CONFIGS[size], bits)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=CONFIGS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bits", type=int, choices=WIDTHS)
    what.add_argument("--plain", action="store_true", help="the float network: ReLU, no quantisers, shifts or norms of q")
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict (scenes)")
    parser.add_argument("--dynamo", action="store_true", help="the dynamo exporter")
    parser.add_argument("--any-size", action="store_true")
    parser.add_argument("--masked", action="store_true")
    parser.add_argument("--oracle", type=int, default=0, metavar="SCENES", help="the oracle's record of the first of OUT/scenes.npy")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    if args.checkpoint:
        model = load_checkpoint(args.size, args.bits, args.checkpoint)
    else:
        model = calibrated(CONFIGS[args.size], args.bits, args.plain, args.masked)
    name = args.size + ("_plain" if args.plain else f"_w{args.bits}a{args.bits}")
    for given, suffix in ((args.any_size, "_any"), (args.masked, "_masked"), (args.dynamo, "_dynamo")):
        name += suffix if given else ""
    export_detector(model, args.out / f"{name}.onnx", args.dynamo, args.any_size)
    if args.oracle:
        images = normalise(np.load(args.out / "scenes.npy")[: args.oracle])
        (args.out / f"{name}_oracle.json").write_text(json.dumps(oracle.report(model, images), indent=1) + "\n")


if __name__ == "__main__":
    main()
