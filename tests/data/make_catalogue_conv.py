"""The convolutions of tests/data/catalogue (make_catalogue.py runs them).

The codes in expected.json are [N][kh * kw * C], channels last, as the packed file has them.
"""
import numpy as np

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


def sign_with_zero_padding(rng):
    """Zeros of the sign and of the border are exact."""
    signs, w = binary(rng, 8, 16, (3, 3))
    g = Graph()
    y = g.op("Conv", g.op("Sign", "x"), g.const(w), pads=[1, 1, 1, 1])
    x = image(50, 16)
    x[0, :, 3, 2] = 0
    save("conv_sign_padding", g, x, y, [{"weights": "1 bit", "activations": "1 bit", "codes": last(signs)}])


CASES = (sign_with_zero_padding,)
