"""More spellings of the catalogue's rows (make_catalogue.py runs them; README.md here lists the rows).

Where onnxruntime lacks an operator or type, `reference` is the same arithmetic of standard operators.
"""
import numpy as np
from onnx import TensorProto

from make_catalogue import (ACT8, F32, K, N, ROWS, Graph, grid, inputs, linear, lsq, plain_activation, qdq, save)

FINN = "qonnx.custom_op.general"


def signs_input(seed, shape=(1, ROWS, K)):
    x = inputs(seed, shape)
    x.reshape(-1)[:4] = [0, -0.0, 100, -100]
    return x


def binary(rng, n=N, k=K):
    latent = rng.standard_normal((n, k)).astype(F32)
    return np.sign(latent), (np.abs(latent).mean(1, keepdims=True) * np.sign(latent)).astype(F32)


def affine_sign(g, x, a, z, residue=True):
    """Bi-ViT: (sign(clip(x / a + z, -1, 1)) - z) * a."""
    a, z = g.const(a), g.const(z)
    t = g.op("Clip", g.op("Add", g.op("Div", x, a), z), g.const(F32(-1)), g.const(F32(1)))
    q = g.op("Sign", t)
    if residue:
        q = g.op("Add", g.op("Sub", q, t), t)
    return g.op("Mul", g.op("Sub", q, z), a)


def affine_signs(rng):
    a = rng.uniform(0.3, 0.9, K).astype(F32)
    a[1::5] *= -1
    z = (np.arange(K) % 3 - 1).astype(F32)
    shift = rng.standard_normal(K).astype(F32)

    def case(name, make, text):
        codes, w = binary(rng)
        g = Graph()
        y = g.op("MatMul", make(g), g.const(w.T))
        save(name, g, signs_input(70), y, [{"weights": "1 bit", "activations": text, "codes": codes}])

    case("a9_columns", lambda g: affine_sign(g, "x", a, z), "1 bit affine columns")
    case("a9_tensor", lambda g: affine_sign(g, "x", F32(0.4), F32(-1)), "1 bit affine")
    case("a9_equal_columns", lambda g: affine_sign(g, "x", np.full(K, 0.4, F32), np.full(K, -1, F32)), "1 bit affine")
    case("a9_shift_and_scale", lambda g: g.op("Mul", g.op("Sign", g.op("Sub", "x", g.const(shift))), g.const(a)),
         "1 bit affine columns")

    def xnor(g):
        return g.op("Mul", g.op("Sign", "x"), g.op("ReduceMean", g.op("Abs", "x"), axes=[2], keepdims=1))
    case("a12_xnor_row", xnor, "1 bit dynamic row")


CASES = (affine_signs,)
