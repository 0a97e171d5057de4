"""IEEE single-precision building blocks in the exact order of kernels/README.md, "Float semantics".

numpy's float32 +, -, *, / and sqrt round correctly; what it lacks is the fused multiply-add and our order of summation.
"""

import numpy as np

f32, f64 = np.float32, np.float64
LANES = 16


def fma(a, b, c) -> np.ndarray:
    """round(a * b + c) with one rounding to float32.

    The product of two float32 is exact in float64. The sum is rounded to odd (its last bit set when inexact), after which
    rounding again to 24 bits cannot go wrong, since 53 >= 2 * 24 + 2.
    """
    p, c = np.broadcast_arrays(np.multiply(a, b, dtype=f64), np.asarray(c, f64))
    s = p + c
    t = s - p
    error = (p - (s - t)) + (c - t)
    even = (s.view(np.int64) & 1) == 0
    nudged = np.nextafter(s, np.copysign(np.inf, error))
    return np.where((error != 0) & even, nudged, s).astype(f32)


def _combine(lanes: np.ndarray) -> np.ndarray:
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half : 2 * half]
    return lanes[..., 0]


def row_sum(x: np.ndarray) -> np.ndarray:
    """Sum over the last axis: element i goes to lane i mod 16, lanes are combined as a tree."""
    lanes = np.zeros((*x.shape[:-1], LANES), f32)
    for i in range(0, x.shape[-1], LANES):
        part = x[..., i : i + LANES]
        lanes[..., : part.shape[-1]] += part
    return _combine(lanes)


def row_sum_squares(x: np.ndarray) -> np.ndarray:
    lanes = np.zeros((*x.shape[:-1], LANES), f32)
    for i in range(0, x.shape[-1], LANES):
        part = x[..., i : i + LANES]
        lanes[..., : part.shape[-1]] = fma(part, part, lanes[..., : part.shape[-1]])
    return _combine(lanes)


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> np.ndarray:
    n = f32(x.shape[-1])
    d = x - (row_sum(x) / n)[..., None]
    variance = row_sum_squares(d) / n
    rstd = f32(1) / np.sqrt(variance + f32(eps))
    return fma(d * rstd[..., None], gamma, beta)


def chain(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x [..., M, K], w [..., N, K] -> [..., M, N]: one fused chain over ascending k from +0."""
    acc = np.zeros(np.broadcast_shapes(x.shape[:-1] + (1,), w.shape[:-2] + (1, w.shape[-2])), f32)
    for k in range(x.shape[-1]):
        acc = fma(x[..., :, k, None], w[..., None, :, k], acc)
    return acc


def gemm(x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x [M, K], w [N, K] -> [M, N]: the chain, then the bias."""
    return chain(x, w) + bias


def _horner(x: np.ndarray, *coefficients: str) -> np.ndarray:
    """Highest power first, one fused step a coefficient; hexadecimal float literals."""
    values = [f32(float.fromhex(c)) for c in coefficients]
    p = np.full_like(x, values[0])
    for c in values[1:]:
        p = fma(p, x, c)
    return p


def exp(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, f32(-104), f32(89))
    magic = f32(1.5 * 2**23)
    n = fma(x, f32(float.fromhex("0x1.715476p+0")), magic) - magic
    r = fma(n, f32(float.fromhex("-0x1.62e43p-1")), x)
    r = fma(n, f32(float.fromhex("0x1.05c61p-29")), r)
    p = _horner(r, "0x1.6a496p-10", "0x1.1239ap-7", "0x1.5558b4p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1")
    half = np.floor(n / f32(2))
    with np.errstate(over="ignore", under="ignore"):
        return (p * np.exp2(half)) * np.exp2(n - half)


def _erf_near(x: np.ndarray) -> np.ndarray:
    z = x * x
    p = _horner(z, "-0x1.3a48e2p-11", "0x1.474a0ep-8", "-0x1.b68e66p-6", "0x1.ce1ab4p-4", "-0x1.8126e8p-2", "0x1.06eba6p-3")
    return fma(p, x, x)


def _erf_far(x: np.ndarray) -> np.ndarray:
    t = np.minimum(np.abs(x), f32(4))
    q = _horner(
        t, "0x1.9864fcp-13", "-0x1.8d5c26p-9", "0x1.6b6bap-6", "-0x1.a952fep-4", "-0x1.464a52p-1", "-0x1.20ab68p+0", "-0x1.b83894p-13"
    )
    return np.copysign(f32(1) - exp(q), x)


def erf(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) <= f32(0.921875), _erf_near(x), _erf_far(x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = exp(x - x.max(axis=-1, keepdims=True))
    return e * (f32(1) / row_sum(e))[..., None]


def gelu_erf(x: np.ndarray) -> np.ndarray:
    """The exporters' form, for values that only a sign is taken of."""
    w = erf(x * f32(0.70710678)) + f32(1)
    return (x * w) * f32(0.5)


def gelu(x: np.ndarray) -> np.ndarray:
    a = np.abs(x)
    a = np.where(a < f32(5.55), a, f32(0))
    p = _horner(a, "-0x1.5024fcp-8", "0x1.66e3b8p-4", "-0x1.041242p-1", "1")
    q = _horner(
        a, "0x1.03141ap-14", "-0x1.070118p-13", "0x1.5bd232p-10", "0x1.9af366p-9", "0x1.c15deep-11", "0x1.faab9p-4", "-0x1.be8028p-4", "1"
    )
    r = p / q
    return fma(-((a * f32(0.5)) * r), r, np.where(x < 0, f32(0), x))
