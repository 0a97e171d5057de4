"""numpy oracle of the network in the exact arithmetic of the packed file (kernels/README.md, converter/README.md).

The float convolutions are read from the exported file, since torch folds their BatchNormalization. That of a 1-bit one is a
factor and an offset, fl(gamma / sqrt(var + eps)) and fl(beta - mean * factor) of double values; the factor is folded into the
scale, which is rounded once more. Recorded, with channels last: BLOCK.codes, the int8 signs that the convolution
reads, [H, W, C]; BLOCK.stream, what the block gives in fp32, [H, W, C]; logits [classes].
"""

from pathlib import Path

import fp32
import numpy as np
import onnx
from model import Block, ReBnn
from numpy.lib.stride_tricks import sliding_window_view
from parameters import affine, array, channel
from tape import Tape, exact_product, write_records
from onnx import numpy_helper
from torch import nn

f32, f64 = np.float32, np.float64


def windows(x: np.ndarray, kernel: int, stride: int, pad: int, value=0) -> np.ndarray:
    """[C, H, W] -> [OH, OW, C, kernel, kernel]."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)), constant_values=value)
    return sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride].transpose(1, 2, 0, 3, 4)


Filters = list[tuple[np.ndarray, np.ndarray]]


def float_filters(path: Path) -> Filters:
    """Weights and biases of the convolutions whose weights are initializers: the stem's, then the shortcuts'."""
    graph = onnx.load(str(path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    convs = [n.input for n in graph.node if n.op_type == "Conv" and n.input[1] in constants]
    return [(constants[inputs[1]], constants[inputs[2]]) for inputs in convs]


def conv(x: np.ndarray, filters: tuple[np.ndarray, np.ndarray], stride: int) -> np.ndarray:
    w, bias = filters
    taps = windows(x, w.shape[-1], stride, w.shape[-1] // 2)
    rows = taps.reshape(-1, w[0].size)
    return fp32.gemm(rows, w.reshape(len(w), -1), bias).reshape(*taps.shape[:2], -1).transpose(2, 0, 1)


def average2x2(x: np.ndarray) -> np.ndarray:
    total = ((x[:, ::2, ::2] + x[:, ::2, 1::2]) + x[:, 1::2, ::2]) + x[:, 1::2, 1::2]
    return total / f32(4)


def mean_and_head(tape: Tape, head: nn.Linear, x: np.ndarray) -> np.ndarray:
    """x [C, H, W] -> logits; the mean's sum runs over pixels in their order."""
    total = np.zeros(len(x), f32)
    for pixel in x.reshape(len(x), -1).T:
        total = total + pixel
    mean = total / f32(x[0].size)
    return tape.record("logits", fp32.gemm(mean[None], array(head.weight), array(head.bias))[0])


def run_block(tape: Tape, name: str, block: Block, x: np.ndarray, shortcuts: Filters) -> np.ndarray:
    codes = np.sign(x + channel(block.move0.bias)).astype(np.int8)
    tape.record(f"{name}.codes", codes.transpose(1, 2, 0))
    filters = array(block.conv.weight)
    taps = windows(codes, 3, block.conv.stride, 1)
    acc = exact_product(taps.reshape(-1, filters[0].size), np.sign(filters).reshape(len(filters), -1).T)
    factor, offset = affine(block.bn)
    magnitude = f32(0.02) * np.abs(array(block.conv.scale)).reshape(-1)
    scale = (magnitude.astype(f64) * factor.astype(f64)).astype(f32)
    y = (acc.astype(f32) * scale + offset).reshape(*taps.shape[:2], -1).transpose(2, 0, 1)
    if block.shortcut is not None:
        x = conv(average2x2(x), shortcuts.pop(0), 1)
    y = (x + y) + channel(block.move1.bias)
    y = np.where(y < 0, y * channel(block.prelu.weight), y) + channel(block.move2.bias)
    tape.record(f"{name}.stream", y.transpose(1, 2, 0))
    return y


def run(model: ReBnn, filters: Filters, image: np.ndarray, tape: Tape) -> np.ndarray:
    """image [C, H, W] float32, normalised -> logits [classes]."""
    stem, *shortcuts = filters
    x = conv(image, stem, model.cfg.stem_stride())
    x = windows(x, 3, 2, 1, -np.inf).max(axis=(3, 4)).transpose(2, 0, 1)
    for i, block in enumerate(model.blocks):
        x = run_block(tape, f"block{i}", block, x, shortcuts)
    return mean_and_head(tape, model.head, x)


def report(model: ReBnn, filters: Filters, images: np.ndarray) -> list[dict]:
    return write_records(lambda image, tape: run(model, filters, image, tape), images)
