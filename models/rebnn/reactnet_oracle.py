"""The oracle of oracle.py for ReActNet. Recorded for each 1-bit layer, numbered block0, block1, ... in the order of the file: BLOCK.codes, the
signs that it reads, and BLOCK.stream, what RPReLU makes of it; two 1x1 convolutions side by side are one layer. Channels last.

The scale mean|W| is the graph's own: means over columns, rows and channels in turn, in fp32.
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from oracle import Filters, average2x2, conv, mean_and_head, windows
from parameters import affine, array, channel
from quantizers import MeanBinaryConv
from reactnet import BinaryUnit, ReActBlock, ReActNet, RPReLU
from tape import Tape, exact_product, write_records

f32, f64 = np.float32, np.float64


def mean_magnitude(layer: MeanBinaryConv) -> np.ndarray:
    """[filters]"""
    mean = np.abs(array(layer.weight))
    while mean.ndim > 1:
        mean = fp32.row_sum(mean) / f32(mean.shape[-1])
    return mean


def unit(layer: BinaryUnit, codes: np.ndarray) -> np.ndarray:
    """codes [C, H, W] -> fp32 [filters, H', W']"""
    w = array(layer.conv.weight)
    taps = windows(codes, w.shape[-1], layer.conv.stride, w.shape[-1] // 2)
    acc = exact_product(taps.reshape(-1, w[0].size), np.sign(w).reshape(len(w), -1).T)
    factor, offset = affine(layer.bn)
    scale = (mean_magnitude(layer.conv).astype(f64) * factor.astype(f64)).astype(f32)
    return (acc.astype(f32) * scale + offset).reshape(*taps.shape[:2], -1).transpose(2, 0, 1)


def rprelu(layer: RPReLU, x: np.ndarray) -> np.ndarray:
    y = x + channel(layer.move1.bias)
    return np.where(y < 0, y * channel(layer.prelu.weight), y) + channel(layer.move2.bias)


def signs(move, x: np.ndarray) -> np.ndarray:
    return np.sign(x + channel(move.bias)).astype(np.int8)


def run_block(tape: Tape, first: int, block: ReActBlock, x: np.ndarray) -> np.ndarray:
    codes = signs(block.move_space, x)
    tape.record(f"block{first}.codes", codes.transpose(1, 2, 0))
    shortcut = x if block.average is None else average2x2(x)
    a = rprelu(block.activate_space, unit(block.space, codes) + shortcut)
    tape.record(f"block{first}.stream", a.transpose(1, 2, 0))
    codes = signs(block.move_depth, a)
    tape.record(f"block{first + 1}.codes", codes.transpose(1, 2, 0))
    y = rprelu(block.activate_depth, np.concatenate([unit(layer, codes) + a for layer in block.depth]))
    tape.record(f"block{first + 1}.stream", y.transpose(1, 2, 0))
    return y


def run(model: ReActNet, filters: Filters, image: np.ndarray, tape: Tape) -> np.ndarray:
    """image [C, H, W] float32, normalised -> logits [classes]."""
    x = conv(image, filters[0], 2)
    for i, block in enumerate(model.blocks):
        x = run_block(tape, 2 * i, block, x)
    return mean_and_head(tape, model.head, x)


def report(model: ReActNet, filters: Filters, images: np.ndarray) -> list[dict]:
    return write_records(lambda image, tape: run(model, filters, image, tape), images)
