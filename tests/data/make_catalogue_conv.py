"""The convolutions of tests/data/catalogue (make_catalogue.py runs them).

The codes in expected.json are [N][kh * kw * C], channels last, as the packed file has them.
"""
import numpy as np
from onnx import TensorProto

from make_catalogue import F32, Graph, grid, lsq, qdq, save


def image(seed, channels, size=(7, 6), batch=1):
    return np.random.default_rng(seed).standard_normal((batch, channels, *size)).astype(F32)


def last(weights):
    """[N,C,kh,kw] as [N][kh * kw * C]."""
    return weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)


def shaped(values, channels, kernel):
    return values.reshape(len(values), channels, *kernel)


def batch_norm(g, x, rng, channels):
    parameters = [rng.uniform(0.5, 1.5, channels), rng.standard_normal(channels), rng.standard_normal(channels),
                  rng.uniform(0.5, 2, channels)]
    return g.op("BatchNormalization", x, *(g.const(p) for p in parameters), epsilon=1e-5)


def binary(rng, n, channels, kernel):
    signs = rng.choice([-1, 1], (n, channels, *kernel))
    return signs, (signs * rng.uniform(0.05, 0.2, (n, 1, 1, 1))).astype(F32)


def bi_real_sign(g, x):
    """Sign with the piecewise quadratic stand-in that Bi-Real nets export: sign - q + q."""
    def mask(limit):
        return g.op("Cast", g.op("Less", x, g.const(F32(limit))), to=TensorProto.FLOAT)

    def mix(inside, outside, m):
        rest = g.op("Sub", g.const(F32(1)), m)
        return g.op("Add", g.op("Mul", inside, m), g.op("Mul", outside, rest))

    sign = g.op("Sign", x)
    low, zero, high = mask(-1), mask(0), mask(1)
    square, twice = g.op("Mul", x, x), g.op("Mul", x, g.const(F32(2)))
    q = mix(g.const(F32(-1)), g.op("Add", square, twice), low)
    q = mix(q, g.op("Add", g.op("Neg", square), twice), zero)
    q = mix(q, g.const(F32(1)), high)
    return g.op("Add", g.op("Sub", sign, q), q)


def per_channel(g, rng, channels, scale=0.3):
    return g.const(scale * rng.standard_normal((1, channels, 1, 1)))


def prelu(g, rng, x, channels):
    """RPReLU: shift, PReLU, shift."""
    x = g.op("PRelu", g.op("Add", x, per_channel(g, rng, channels)), g.const(rng.uniform(-0.1, 0.4, (channels, 1, 1))))
    return g.op("Add", x, per_channel(g, rng, channels))


def hard_binary(g, rng, n, channels, kernel):
    """ReActNet's weights: mean|W| of the filter times sign(W), with the residue of its training."""
    latent = (0.7 * rng.standard_normal((n, channels, *kernel))).astype(F32)
    w = g.const(latent)
    scale = g.op("Abs", w)
    for axis in (3, 2, 1):
        scale = g.op("ReduceMean", scale, axes=[axis], keepdims=1)
    hard = g.op("Mul", scale, g.op("Sign", w))
    soft = g.op("Clip", w, g.const(F32(-1)), g.const(F32(1)))
    return np.sign(latent), g.op("Add", g.op("Sub", hard, soft), soft)


def signs(rng):
    """Zeros of the sign and of the border are exact."""
    cases = {
        "conv_sign_padding": (8, 16, 16, (3, 3), dict(pads=[1, 1, 1, 1])),
        "conv_sign_stride": (8, 5, 5, (3, 3), dict(pads=[1, 0, 0, 1], strides=[2, 2])),
        "conv_sign_dilation": (4, 8, 8, (3, 2), dict(pads=[2, 2, 2, 2], dilations=[2, 1], strides=[1, 2])),
        "conv_sign_groups": (6, 12, 4, (3, 3), dict(pads=[1, 1, 1, 1], group=3)),
        "conv_sign_depthwise": (12, 12, 1, (3, 3), dict(pads=[1, 1, 1, 1], group=12)),
    }
    for name, (n, channels, each, kernel, attributes) in cases.items():
        codes, w = binary(rng, n, each, kernel)
        g = Graph()
        y = g.op("Conv", g.op("Sign", "x"), g.const(w), **attributes)
        x = image(50, channels, batch=2)
        x[0, :, 3, 2] = 0
        save(name, g, x, y, [{"weights": "1 bit", "activations": "1 bit", "codes": last(codes)}])


def react_block(rng):
    """Two layers of ReActNet's kind: shifted signs, BatchNormalization, residual, RPReLU."""
    channels, layers = 8, []
    g, y = Graph(), "x"
    for _ in range(2):
        codes, w = hard_binary(g, rng, channels, channels, (3, 3))
        layers.append({"weights": "1 bit", "activations": "1 bit", "codes": last(codes)})
        shifted = g.op("Add", y, per_channel(g, rng, channels))
        conv = g.op("Conv", bi_real_sign(g, shifted), w, pads=[1, 1, 1, 1])
        y = prelu(g, rng, g.op("Add", batch_norm(g, conv, rng, channels), y), channels)
    save("conv_react_block", g, image(51, channels), y, layers)


def rebnn_downsampling(rng):
    """ReBNN's weights, 0.02 |s| sign(W), and the shortcut of a stage's first block: an average, then a float 1x1."""
    g = Graph()
    latent = rng.standard_normal((12, 6, 3, 3)).astype(F32)
    scale = g.op("Abs", g.const(rng.standard_normal((12, 1, 1, 1))))
    w = g.op("Mul", g.op("Mul", g.op("Sign", g.const(latent)), g.const(F32(0.02))), scale)
    conv = g.op("Conv", bi_real_sign(g, g.op("Add", "x", per_channel(g, rng, 6))), w, pads=[1, 1, 1, 1], strides=[2, 2])
    shortcut = g.op("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])
    shortcut = g.op("Conv", shortcut, g.const(rng.standard_normal((12, 6, 1, 1))))
    y = g.op("Add", batch_norm(g, conv, rng, 12), batch_norm(g, shortcut, rng, 12))
    y = g.op("GlobalAveragePool", prelu(g, rng, y, 12))
    save("conv_rebnn_downsampling", g, image(52, 6, (8, 6)), y,
         [{"weights": "f32", "reason": "grid"},
          {"weights": "1 bit", "activations": "1 bit", "codes": last(np.sign(latent))}])


def xnor(rng):
    """No residual: the sign of the next layer is decided on the sums."""
    g, y, layers = Graph(), "x", []
    for channels in (8, 16):
        codes, w = binary(rng, 16, channels, (3, 3))
        y = g.op("Conv", g.op("Sign", y), g.const(w), pads=[1, 1, 1, 1])
        y = batch_norm(g, y, rng, 16)
        layers.append({"weights": "1 bit", "activations": "1 bit", "codes": last(codes)})
    save("conv_xnor", g, image(53, 8), y, layers)


def dorefa(rng):
    for bits in (2, 4):
        n, levels = 8, F32(2 ** bits - 1)
        g, y, layers = Graph(), "x", []
        for channels, attributes in ((6, dict(pads=[1, 1, 1, 1])), (n, dict(pads=[1, 1, 1, 1], strides=[2, 2]))):
            latent = rng.standard_normal((n, channels, 3, 3)).astype(F32)
            tanh = g.op("Tanh", g.const(latent))
            half = g.op("Div", tanh, g.op("Mul", g.const(F32(2)), g.op("ReduceMax", g.op("Abs", tanh), keepdims=0)))
            unit = g.op("Add", half, g.const(F32(0.5)))
            w = g.op("Div", g.op("Round", g.op("Mul", unit, g.const(levels))), g.const(levels))
            w = g.op("Sub", g.op("Mul", w, g.const(F32(2))), g.const(F32(1)))
            soft = np.tanh(latent)
            codes = 2 * np.rint((soft / (2 * np.abs(soft).max()) + F32(0.5)) * levels) - levels
            x = g.op("Clip", y, g.const(F32(0)), g.const(F32(1)))
            x = g.op("Div", g.op("Round", g.op("Mul", x, g.const(levels))), g.const(levels))
            y = batch_norm(g, g.op("Conv", x, w, **attributes), rng, n)
            layers.append({"weights": f"{bits} bit odd", "activations": f"{bits} bit unsigned", "codes": last(codes)})
        save(f"conv_dorefa_{bits}bit", g, image(54, 6), y, layers)


def qdq_int8(rng):
    """What onnxruntime's static quantisation writes: a zero point, a scale for each filter, a bias of int32."""
    g, x_scale = Graph(), F32(0.04)
    codes = rng.integers(-127, 128, (8, 5, 3, 3))
    scale = rng.uniform(0.001, 0.004, 8).astype(F32)
    bias = rng.integers(-2000, 2000, 8)
    x = qdq(g, "x", x_scale, 119, np.uint8)
    w = g.op("DequantizeLinear", g.const(codes, np.int8), g.const(scale), axis=0)
    b = g.op("DequantizeLinear", g.const(bias, np.int32), g.const(scale * x_scale), axis=0)
    y = g.op("Relu", g.op("Conv", x, w, b, pads=[1, 1, 1, 1]))
    y = qdq(g, y, 0.03, 0, np.uint8)
    small, small_scale = grid(rng, 4, 6, 8)
    y = g.op("Conv", y, g.const((small * small_scale).reshape(6, 8, 1, 1)))
    save("conv_qdq_int8", g, image(55, 5), y,
         [{"weights": "8 bit", "activations": "8 bit unsigned", "codes": last(codes)},
          {"weights": "4 bit", "activations": "8 bit unsigned", "codes": small}])


def groups_of_codes(rng):
    """Depthwise by 4 bit, then groups of ternary weights."""
    g, channels = Graph(), 9
    depthwise, scale = grid(rng, 4, channels, 9)
    x = lsq(g, "x", F32(0.3), F32(2), -8, 7)
    y = g.op("Conv", x, g.const(shaped(depthwise * scale, 1, (3, 3))), pads=[1, 1, 1, 1], group=channels)
    ternary = rng.integers(-1, 2, (6, 3, 3, 3))
    ternary[:, 0, 0] = [-1, 0, 1]
    w = g.const(ternary * rng.uniform(0.05, 0.2, (6, 1, 1, 1)))
    x = lsq(g, y, F32(0.2), None, 0, 7)
    y = g.op("Conv", x, w, pads=[1, 1, 1, 1], strides=[2, 1], group=3)
    save("conv_groups", g, image(56, channels), y,
         [{"weights": "4 bit", "activations": "4 bit signed", "codes": depthwise},
          {"weights": "ternary", "activations": "3 bit unsigned", "codes": last(ternary)}])


def input_channels(rng):
    """A scale and a zero point for each input channel (Q-DETR)."""
    g, channels = Graph(), 6
    scale = rng.uniform(0.2, 0.5, (1, channels, 1, 1)).astype(F32)
    zero = rng.integers(-3, 4, (1, channels, 1, 1)).astype(F32)
    codes, w_scale = grid(rng, 4, 8, channels * 9)
    x = lsq(g, "x", scale, zero, -8, 7)
    y = g.op("Conv", x, g.const(shaped(codes * w_scale, channels, (3, 3))), pads=[1, 1, 1, 1])
    save("conv_a13_input_channels", g, image(57, channels), y,
         [{"weights": "4 bit", "activations": "4 bit signed channels", "codes": last(shaped(codes, channels, (3, 3)))}])


def integers(rng):
    """QLinearConv, also of more products than fp32 sums exactly, and what onnxruntime's dynamic quantisation writes."""
    for name, channels in (("conv_qlinear", 5), ("conv_qlinear_deep", 40)):
        g, x, layers = Graph(), image(58, channels), []
        scale, zero = g.const(F32(0.04)), g.const(119, np.uint8)
        q = g.op("QuantizeLinear", "x", scale, zero)
        for filters in (8, 6):
            codes = rng.integers(-128, 128, (filters, channels, 3, 3))
            x_scale, x_zero, scale, zero = scale, zero, g.const(F32(0.06)), g.const(100, np.uint8)
            q = g.op("QLinearConv", q, x_scale, x_zero, g.const(codes, np.int8), g.const(rng.uniform(0.001, 0.004, filters)),
                     g.const(np.zeros(filters), np.int8), scale, zero, g.const(rng.integers(-3000, 3000, filters), np.int32),
                     pads=[1, 1, 1, 1])
            layers.append({"weights": "8 bit", "activations": "8 bit unsigned", "codes": last(codes)})
            channels = filters
        save(name, g, x, g.op("DequantizeLinear", q, scale, zero), layers)
    codes, w_scale = rng.integers(-128, 128, (8, 5, 3, 3)), rng.uniform(0.001, 0.004, 8).astype(F32)
    for name, attributes in (("conv_dynamic_integer", {}), ("conv_dynamic_integer_padded", dict(pads=[1, 0, 2, 1]))):
        g = Graph()
        q, s, z = g.op("DynamicQuantizeLinear", "x", outputs=3)
        sums = g.op("ConvInteger", q, g.const(codes, np.int8), z, **attributes)
        y = g.op("Mul", g.op("Cast", sums, to=TensorProto.FLOAT), g.op("Mul", s, g.const(w_scale.reshape(8, 1, 1))))
        save(name, g, image(59, 5), y, [{"weights": "8 bit", "activations": "8 bit unsigned", "codes": last(codes)}])


CASES = (signs, react_block, rebnn_downsampling, xnor, dorefa, qdq_int8, groups_of_codes, input_channels, integers)
