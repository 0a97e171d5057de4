"""numpy oracle of an SMCA Q-DETR in the `exact` mode, bit for bit (kernels/README.md, converter/README.md).

Recorded, under the path of the layer in the exported file: LAYER.codes, the int8 codes that a quantised layer reads ([H W, C] of a
convolution, [tokens, C] of a linear), ATTENTION.q, .k and .v ([tokens, D]); in fp32 features [H W, D], logits [Q, classes] and boxes
[Q, 4]. What no image changes, the decoder until it first looks at the features, is folded by the converter: it holds no codes, and
its arithmetic is that of the exported float graph, straight-through residue included (`Folded`).
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from backbone import Activation, Bottleneck, FrozenBatchNorm
from exact_vit import layer_norm
from lsq_oracle import activation, weight
from model import EPSILON, QDetr
from numpy.lib.stride_tricks import sliding_window_view
from parameters import array, channel
from quantizers import DistributionAlignment
from tape import Tape, exact_product, record_of
from torch import nn
from transformer import SMOOTH, Attention, DecoderLayer, FeedForward, Mlp

f32, f64 = np.float32, np.float64


def taps(x: np.ndarray, kernel: int, stride: int, value=0) -> np.ndarray:
    """[H, W, C] -> [OH, OW, kernel, kernel, C]; outside the image `value`."""
    pad = kernel // 2
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)), constant_values=value)
    return sliding_window_view(x, (kernel, kernel), axis=(0, 1))[::stride, ::stride].transpose(0, 1, 3, 4, 2)


def rows_last(w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows in (channel, row, column) order -> (row, column, channel)."""
    return w.reshape(shape).transpose(0, 2, 3, 1).reshape(shape[0], -1)


def affine(bn: FrozenBatchNorm) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset as the exporter folds their arithmetic: in torch, whose fp32 root is not always the nearest float."""
    factor = bn.weight * (1 / (bn.running_var + bn.eps).sqrt())
    return array(factor), array(bn.bias - bn.running_mean * factor)


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x < 0, x * slope, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return f32(1) / (f32(1) + fp32.exp(-x))


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    return fp32.gemm(x, array(layer.weight), array(layer.bias))


def mlp(layers: Mlp, x: np.ndarray) -> np.ndarray:
    for layer in layers.layers[:-1]:
        x = np.maximum(linear(layer, x), f32(0))
    return linear(layers.layers[-1], x)


def align(norm: DistributionAlignment, q: np.ndarray) -> np.ndarray:
    """q [H, tokens, d]"""
    n = q.shape[-1]
    mean = lambda x: (fp32.row_sum(x) / f32(n))[..., None]
    centred = q - mean(q)
    variance = mean(centred * centred) * f32(n) / f32(n - 1)
    return array(norm.scale)[0] * (centred / np.sqrt(variance + f32(1e-5))) + array(norm.bias)


def split(x: np.ndarray, heads: int) -> np.ndarray:
    """[tokens, D] -> [H, tokens, d]"""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def joined(x: np.ndarray) -> np.ndarray:
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def residue(x: np.ndarray) -> np.ndarray:
    """Rounding as the straight-through estimator spells it."""
    return (np.rint(x) - x) + x


class Packed:
    """Layers as the packed file runs them."""

    def __init__(self, tape: Tape):
        self.tape = tape

    def projection(self, module: nn.Module, x: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        codes, scale = weight(module)
        return fp32.chain(x, codes[rows]) * scale[rows] + array(module.bias)[rows]

    def feed_forward(self, name: str, module: FeedForward, x: np.ndarray) -> np.ndarray:
        for part, layer in (("linear1", module.linear1), ("linear2", module.linear2)):
            act = activation(layer.act, (), (-1,))
            levels = act.levels(self.tape.record(f"{name}/{part}.codes", act.codes(x)))
            codes, scale = weight(layer)
            x = fp32.chain(levels, codes) * scale + array(layer.bias)
            x = np.maximum(x, f32(0)) if part == "linear1" else x
        return x

    def shifted(self, name: str, act, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes less their zero points, and the scales of heads [H, 1, 1]; x [H, tokens, d]."""
        quantiser = activation(act, (), (-1, 1, 1))
        codes = quantiser.codes(x)
        self.tape.record(name, joined(codes))
        return quantiser.shifted(codes), quantiser.a

    def attention(self, name: str, module: Attention, query, key, value: np.ndarray, gaussian: np.ndarray | None,
                  constant_query: bool = False) -> np.ndarray:
        """query: [tokens, D], or the folded quantised queries [H, tokens, d]."""
        d, heads = module.dim, module.heads
        if constant_query:
            act = activation(module.q_act, (), (-1, 1, 1))
            q, q_scale = np.rint(query / act.a).astype(np.int32), act.a
        else:
            q = split(self.projection(module.in_proj, query, slice(0, d)), heads)
            q = align(module.norm_q, q) if module.norm_q is not None else q
            q, q_scale = self.shifted(f"{name}.q", module.q_act, q)
        k = split(self.projection(module.in_proj, key, slice(d, 2 * d)), heads)
        v = split(self.projection(module.in_proj, value, slice(2 * d, None)), heads)
        (k, k_scale), (v, v_scale) = self.shifted(f"{name}.k", module.k_act, k), self.shifted(f"{name}.v", module.v_act, v)
        scores = exact_product(q, k.transpose(0, 2, 1)).astype(f32) * (q_scale * k_scale * f32((d // heads) ** -0.5))
        scores = scores if gaussian is None else scores + gaussian
        act = activation(module.attn_act, (), (-1, 1, 1))
        probs = act.shifted(act.codes(fp32.softmax(scores)))
        out = exact_product(probs, v).astype(f32) * (act.a * v_scale)
        return self.projection(module.out_proj, joined(out))


class Folded:
    """The float graph, for what no image changes."""

    @staticmethod
    def _activation(act, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        quantiser = activation(act, (), shape)
        clipped = np.clip(x / quantiser.a + quantiser.z, f32(act.low), f32(act.high))
        return (residue(clipped) - quantiser.z) * quantiser.a

    @staticmethod
    def projection(module: nn.Module, x: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        codes, scale = weight(module)
        return fp32.gemm(x, (codes * scale[:, None])[rows], array(module.bias)[rows])

    def queries(self, module: Attention, x: np.ndarray) -> np.ndarray:
        q = split(self.projection(module.in_proj, x, slice(0, module.dim)), module.heads)
        q = align(module.norm_q, q) if module.norm_q is not None else q
        return self._activation(module.q_act, q, (-1, 1, 1))

    def attention(self, module: Attention, query: np.ndarray, value: np.ndarray) -> np.ndarray:
        d, heads = module.dim, module.heads
        k = split(self.projection(module.in_proj, query, slice(d, 2 * d)), heads)
        v = split(self.projection(module.in_proj, value, slice(2 * d, None)), heads)
        k, v = self._activation(module.k_act, k, (-1, 1, 1)), self._activation(module.v_act, v, (-1, 1, 1))
        probs = fp32.softmax(fp32.chain(self.queries(module, query), k) * f32((d // heads) ** -0.5))
        out = fp32.chain(self._activation(module.attn_act, probs, (-1, 1, 1)), v.transpose(0, 2, 1))
        return self.projection(module.out_proj, joined(out))


def scaled_channels(windows: np.ndarray, filters: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """windows [P, taps C], filters [N, taps C] -> [P, N]; scale [C]."""
    channels = len(scale)
    acc = np.zeros((len(windows), len(filters)), f32)
    for c in range(channels):
        sums = exact_product(windows[:, c::channels], filters[:, c::channels].T).astype(f32)
        acc = fp32.fma(sums, scale[c], acc)
    return acc


def low_bit_conv(tape: Tape, name: str, conv: nn.Module, bn: FrozenBatchNorm, x: np.ndarray, then: Activation | None) -> np.ndarray:
    """x [H, W, C]. The normalisation and the shift behind it go into scale and bias."""
    act = activation(conv.act, (), (-1,))
    codes = tape.record(f"{name}.codes", act.codes(x))
    filters, scale = weight(conv)
    filters = rows_last(filters, conv.weight.shape)
    scale = scale.astype(f64)
    if codes.shape[2] == 1:  # one channel: a sum of integers
        windows = taps(act.shifted(codes), conv.kernel_size[0], conv.stride[0])
        acc = exact_product(windows.reshape(-1, filters.shape[1]), filters.T).astype(f32)
        scale = scale * act.a.astype(f64)
    elif conv.kernel_size[0] > 1:  # a sum of integers for each channel, then one chain over the channels
        windows = taps(act.shifted(codes), conv.kernel_size[0], conv.stride[0])
        acc = scaled_channels(windows.reshape(-1, *filters.shape[1:]), filters, act.a.reshape(-1))
    else:
        windows = taps(act.levels(codes), conv.kernel_size[0], conv.stride[0])
        acc = fp32.chain(windows.reshape(-1, filters.shape[1]), filters)
    factor, offset = (t.astype(f64) for t in affine(bn))
    if then is not None:
        offset = offset + array(then.before.bias).reshape(-1).astype(f64)
    bias = (array(conv.bias).astype(f64) * factor + offset).astype(f32)
    return (acc * (scale * factor).astype(f32) + bias).reshape(*windows.shape[:2], -1)


def float_conv(conv: nn.Conv2d, bn: FrozenBatchNorm | None, x: np.ndarray) -> np.ndarray:
    filters = array(conv.weight)
    bias = array(conv.bias) if conv.bias is not None else np.zeros(len(filters), f32)
    if bn is not None:
        factor, offset = (t.astype(f64) for t in affine(bn))
        filters = (filters.astype(f64) * factor[:, None, None, None]).astype(f32)
        bias = offset.astype(f32)
    windows = taps(x, conv.kernel_size[0], conv.stride[0])
    return fp32.gemm(windows.reshape(-1, filters[0].size), rows_last(filters, filters.shape), bias).reshape(*windows.shape[:2], -1)


def flat(t) -> np.ndarray:
    return channel(t).reshape(-1)


def rest(act: Activation, x: np.ndarray) -> np.ndarray:
    """Behind the first shift."""
    return prelu(x, flat(act.prelu.weight)) + flat(act.after.bias)


def bottleneck(tape: Tape, name: str, block: Bottleneck, x: np.ndarray) -> np.ndarray:
    y = rest(block.act1, x + flat(block.act1.before.bias))
    y = rest(block.act2, low_bit_conv(tape, f"{name}/conv1", block.conv1, block.bn1, y, block.act2))
    y = rest(block.act3, low_bit_conv(tape, f"{name}/conv2", block.conv2, block.bn2, y, block.act3))
    y = low_bit_conv(tape, f"{name}/conv3", block.conv3, block.bn3, y, None)
    y = y + (x if block.shortcut is None else float_conv(block.shortcut[0], block.shortcut[1], x))
    return rest(block.act0, y + flat(block.act0.before.bias))


def positions(model: QDetr, height: int, width: int) -> np.ndarray:
    """[H W, D]"""
    def waves(count: int) -> np.ndarray:
        place = np.arange(1, count + 1, dtype=f32)
        place = place / (place[-1] + f32(EPSILON)) * f32(2 * np.pi)
        angle = place[:, None] / array(model.positions.steps)
        return np.stack((np.sin(angle[:, 0::2].astype(f64)), np.cos(angle[:, 1::2].astype(f64))), 2).astype(f32).reshape(count, -1)

    y, x = waves(height), waves(width)
    both = np.concatenate((np.repeat(y[:, None], width, 1), np.repeat(x[None], height, 0)), 2)
    return both.reshape(height * width, -1)


def gaussian(layer: DecoderLayer, out: np.ndarray, centre: np.ndarray, size: tuple[int, int], heads: int) -> np.ndarray:
    """[H, Q, S]"""
    y, x = np.divmod(np.arange(size[0] * size[1]), size[1])
    grid = np.stack((x, y), 1).astype(f32)
    point = (np.tile(centre, heads) + linear(layer.point2, out)).reshape(len(out), 1, heads, 2)
    spread = linear(layer.point3, out)
    distance = (point - grid[None, :, None]) ** 2 * (spread * spread).reshape(len(out), 1, heads, 2)
    return (-np.abs(distance[..., 0] + distance[..., 1]) / f32(SMOOTH)).transpose(2, 0, 1)


def backbone(model: QDetr, image: np.ndarray, tape: Tape) -> np.ndarray:
    net = model.backbone
    x = low_bit_conv(tape, "backbone/stem", net.stem, net.bn, image.transpose(1, 2, 0), None)
    x = taps(prelu(x, array(net.prelu.weight)), 3, 2, -np.inf).max((2, 3))
    for i, block in enumerate(net.blocks):
        x = bottleneck(tape, f"backbone/blocks/blocks.{i}", block, x)
    return x


def run(model: QDetr, image: np.ndarray, tape: Tape) -> tuple[np.ndarray, np.ndarray]:
    """image [C, H, W] float32, normalised -> logits [Q, classes], boxes [Q, 4]."""
    packed, folded, heads = Packed(tape), Folded(), model.cfg.heads
    features = float_conv(model.input_proj, None, backbone(model, image, tape))
    size = features.shape[:2]
    memory, pos = tape.record("features", features.reshape(size[0] * size[1], -1)), positions(model, *size)
    for i, layer in enumerate(model.encoder):
        name = f"encoder.{i}"
        x = memory + pos
        memory = layer_norm(layer.norm1, memory + packed.attention(f"{name}/self_attn", layer.self_attn, x, x, memory, None))
        memory = layer_norm(layer.norm2, memory + packed.feed_forward(f"{name}/ffn", layer.ffn, memory))
    x, query_pos, keys, point = array(model.query), array(model.query_pos), memory + pos, None
    for i, layer in enumerate(model.decoder.layers):
        name = f"decoder/layers.{i}"
        out = layer_norm(layer.norm4, x + query_pos)
        if point is None:
            point = mlp(model.decoder.layers[0].point1, out)
            centre = np.array([size[1], size[0]], f32) * sigmoid(point)
        term = gaussian(layer, out, centre, size, heads)
        query = x + query_pos
        seen = folded.attention(layer.self_attn, query, x) if i == 0 else packed.attention(
            f"{name}/self_attn", layer.self_attn, query, query, x, None)
        x = layer_norm(layer.norm1, x + seen)
        query = folded.queries(layer.cross_attn, x + query_pos) if i == 0 else x + query_pos
        x = layer_norm(layer.norm2, x + packed.attention(f"{name}/cross_attn", layer.cross_attn, query, keys, memory, term, i == 0))
        x = layer_norm(layer.norm3, x + packed.feed_forward(f"{name}/ffn", layer.ffn, x))
    x = layer_norm(model.decoder.norm, x)
    boxes = mlp(model.bbox_embed, x)
    boxes = sigmoid(np.concatenate((boxes[:, :2] + point, boxes[:, 2:]), 1))
    return tape.record("logits", linear(model.class_embed, x)), tape.record("boxes", boxes)


def report(model: QDetr, images: np.ndarray) -> list[dict]:
    records = []
    for image in images:
        tape = Tape()
        run(model, image, tape)
        records.append(record_of(image, tape))
    return records
