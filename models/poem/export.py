"""Writes a POEM network as ONNX.

    python export.py --size solids_pointnet --checkpoint solids_pointnet.pt --out DIR [--dynamo] [--gram] [--oracle 2]
    python export.py --size pointnet --out DIR                             calibrated, not trained; also dgcnn, pointnet2

Files: SIZE.onnx (TorchScript exporter, opset 17), with --dynamo also SIZE_dynamo.onnx (dynamo exporter, opset 18), with --gram (DGCNN) also
SIZE_gram.onnx, whose neighbours are spelled as MatMul and TopK, with --float also SIZE_float.onnx, the same network of ordinary
layers (for the latency of other runtimes), with --oracle SIZE_oracle.json, the oracle's record of so many committed clouds.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import numpy as np
import oracle
import solids
import torch
from model import CONFIGS, build
from onnx_export import export_cloud
from quantizers import BiFc
from torch import nn


CLOUDS = 160  # committed


def committed(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """float32 [CLOUDS, points, 3] and their kinds."""
    return solids.coordinates(np.load(folder / "solids_points.npy").view(np.int16)), np.arange(CLOUDS) % len(solids.NAMES)


def load_checkpoint(size: str, checkpoint: Path) -> nn.Module:
    model = build(size)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model.eval()


@torch.no_grad()
def calibrated(size: str) -> nn.Module:
    """Random weights, no latent one 0; statistics of BatchNormalization from clouds of solids."""
    torch.manual_seed(1)
    model = build(size)
    for module in model.modules():
        if isinstance(module, BiFc):
            module.weight.copy_(torch.where(module.weight == 0, torch.ones_like(module.weight), module.weight))
            for bn in (module.bn1, module.bn2):
                bn.weight.mul_(torch.empty_like(bn.weight).uniform_(0.5, 1.5))
                bn.bias.normal_(0, 0.1)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 1.0
    clouds, _ = solids.clouds(8, model.cfg.points, seed=3)
    model.train()(torch.from_numpy(solids.coordinates(clouds)))
    return model.eval()


class FloatFc(nn.Module):
    """What a Bi-FC unit replaces: layer -> BN -> PReLU."""

    def __init__(self, unit: BiFc):
        super().__init__()
        outputs, inputs = unit.weight.shape
        self.layer = {2: nn.Linear, 3: nn.Conv1d, 4: nn.Conv2d}[unit.rank](inputs, outputs, *([1] if unit.rank > 2 else []))
        self.bn, self.prelu = unit.bn2, unit.prelu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.prelu(self.bn(self.layer(x)))


def float_network(size: str) -> nn.Module:
    """The network without a sign in it."""
    model = calibrated(size)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BiFc):
                setattr(parent, name, FloatFc(child))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=CONFIGS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a trained state dict (of the solids)")
    parser.add_argument("--dynamo", action="store_true", help="also export with the dynamo exporter")
    parser.add_argument("--gram", action="store_true", help="DGCNN: also with neighbours by MatMul and TopK")
    parser.add_argument("--float", action="store_true", help="also the network of ordinary layers")
    parser.add_argument("--oracle", type=int, default=0, metavar="CLOUDS")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # two spin at barriers when the machine is shared
    model = load_checkpoint(args.size, args.checkpoint) if args.checkpoint else calibrated(args.size)
    export_cloud(model, args.out / f"{args.size}.onnx", False)
    if args.dynamo:
        export_cloud(model, args.out / f"{args.size}_dynamo.onnx", True)
    if args.float:
        export_cloud(float_network(args.size), args.out / f"{args.size}_float.onnx", False)
    if args.gram:
        model.native_knn = False
        export_cloud(model, args.out / f"{args.size}_gram.onnx", False)
        model.native_knn = True
    if args.oracle:
        clouds = solids.clouds(CLOUDS, model.cfg.points, seed=2)[0]
        np.save(args.out / "solids_points.npy", clouds.view(np.uint8))  # bytes of int16: [CLOUDS, points, 6]
        real = oracle.real_layers(args.out / f"{args.size}.onnx")
        records = oracle.report(model, real, committed(args.out)[0][: args.oracle])
        (args.out / f"{args.size}_oracle.json").write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
