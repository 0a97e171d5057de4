"""Scenes of digits: one to four MNIST digits of different sizes, brightness and place on a background with a gradient and noise.

A scene is uint8 [64, 64]; its objects are boxes (centre x, centre y, width, height as shares of the image) around the ink, and classes.
"""

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 64
MOST = 4  # digits
SIZES = (14, 30)  # the longer side of the ink, pixels
OVERLAP = 0.1  # intersection over union of boxes
MEAN, STD = 0.35, 0.25
INK = 40  # what counts as ink in a digit of MNIST


def _ink(digit: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero((digit > INK).any(1)), np.flatnonzero((digit > INK).any(0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(ink: np.ndarray, longer: int) -> np.ndarray:
    factor = longer / max(ink.shape)
    size = [max(3, round(side * factor)) for side in ink.shape]
    source = torch.from_numpy(ink.astype(np.float32))[None, None]
    return nn.functional.interpolate(source, size=size, mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy() / 255


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of a [N, 4] with every one of b [M, 4]."""
    low = np.maximum((a[:, :2] - a[:, 2:] / 2)[:, None], (b[:, :2] - b[:, 2:] / 2)[None])
    high = np.minimum((a[:, :2] + a[:, 2:] / 2)[:, None], (b[:, :2] + b[:, 2:] / 2)[None])
    both = np.clip(high - low, 0, None).prod(2)
    return both / (a[:, 2:].prod(1)[:, None] + b[:, 2:].prod(1)[None] - both)


def _background(rng: np.random.Generator) -> np.ndarray:
    across, down = rng.uniform(-0.15, 0.15, 2)
    ramp = np.linspace(-1, 1, SIDE)
    plain = rng.uniform(0.05, 0.45) + across * ramp[None] + down * ramp[:, None]
    return plain + rng.normal(0, rng.uniform(0, 0.06), (SIDE, SIDE))


def scene(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, boxes [N, 4], classes [N]."""
    canvas = _background(rng)
    boxes, classes = np.zeros((0, 4), np.float32), []
    wanted = rng.integers(1, MOST + 1)
    for _ in range(20):
        if len(boxes) == wanted:
            break
        picked = rng.integers(len(images))
        ink = _resized(_ink(images[picked]), rng.integers(*SIZES))
        height, width = ink.shape
        y, x = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
        box = np.array([[x + width / 2, y + height / 2, width, height]], np.float32) / SIDE
        if len(boxes) and overlap(box, boxes).max() > OVERLAP:
            continue
        part = canvas[y : y + height, x : x + width]
        canvas[y : y + height, x : x + width] = part + ink * (rng.uniform(0.75, 1.0) - part)
        boxes = np.concatenate([boxes, box])
        classes.append(int(labels[picked]))
    return (np.clip(canvas, 0, 1) * 255).round().astype(np.uint8), boxes, np.array(classes)


def scenes(digits: tuple[np.ndarray, np.ndarray], count: int, seed: int) -> tuple[np.ndarray, list, list]:
    rng = np.random.default_rng(seed)
    made = [scene(*digits, rng) for _ in range(count)]
    return np.stack([m[0] for m in made]), [m[1] for m in made], [m[2] for m in made]


def normalise(pixels: np.ndarray) -> np.ndarray:
    """uint8 [B, 64, 64] -> float32 [B, 1, 64, 64], the arithmetic that preprocess.json describes."""
    values = pixels.astype(np.float32)[:, None] * np.float32(1 / 255)
    return (values - np.float32(MEAN)) / np.float32(STD)


def as_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(normalise(pixels))
