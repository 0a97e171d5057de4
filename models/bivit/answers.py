"""Writes onnxruntime's answers on the held-out images: the reference that the tests compare with, without needing Python.

    python answers.py --dir .        digits_collapsed_answers.npy, digits_raw_answers.npy (uint8 [2000])
"""

import argparse
from pathlib import Path

import common  # noqa: F401  (../common)
import numpy as np
from measure import held_out, onnx_logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    folder = parser.parse_args().dir
    images, _ = held_out()
    for name, file in (("collapsed", "digits_collapsed.onnx"), ("raw", "digits.onnx")):
        answers = onnx_logits(folder / file, images).argmax(1).astype(np.uint8)
        np.save(folder / f"digits_{name}_answers.npy", answers)


if __name__ == "__main__":
    main()
