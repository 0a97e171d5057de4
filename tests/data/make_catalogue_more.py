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


# --- weights

def one_layer(name, g, weight, codes, text, seed, kind=None, **more):
    """The 8-bit codes of x times the transposed [N, K] `weight`."""
    y = linear(g, plain_activation(g), weight)
    save(name, g, inputs(seed), y, [{"weights": text, "activations": ACT8, "codes": codes}], **more)


def integer_weights(rng):
    codes = rng.integers(0, 256, (N, K))
    codes[:, :2] = [0, 255]
    zeros = rng.integers(100, 156, N)
    g = Graph()
    w = g.op("DequantizeLinear", g.const(codes, np.uint8), g.const(rng.uniform(0.01, 0.02, N)), g.const(zeros, np.uint8),
             axis=0)
    one_layer("w1_uint8_zero_points", g, w, codes - zeros[:, None], "8 bit with zero point", 71)

    codes, scale = grid(rng, 4)
    g = Graph(opset=21, ir=10)
    w = g.op("Transpose", g.packed(TensorProto.INT4, codes.T), perm=[1, 0])
    one_layer("w1_int4_transposed", g, g.op("DequantizeLinear", w, g.const(scale[:, 0]), axis=0), codes, "4 bit", 72)

    codes, scale = grid(rng, 4)
    g = Graph(opset=21, ir=10)
    w = g.op("DequantizeLinear", g.packed(TensorProto.UINT4, codes + 8), g.const(scale[:, 0]),
             g.packed(TensorProto.UINT4, np.full(N, 8)), axis=0)
    one_layer("w1_uint4_zero_points", g, w, codes, "4 bit", 73)

    codes, scale = grid(rng, 2)
    g = Graph(opset=25, ir=13)
    w = g.op("DequantizeLinear", g.packed(26, codes), g.const(scale[:, 0]), axis=0)
    r = Graph()
    y = linear(r, plain_activation(r), r.const(codes * scale))
    one_layer("w1_int2_dequantize", g, w, codes, "2 bit", 74, reference=(r, y))


def qonnx_weights(rng):
    codes, scale = grid(rng, 4)
    codes = np.clip(codes, -7, 7)
    latent = ((codes + rng.uniform(-0.45, 0.45, codes.shape)) * scale).astype(F32)
    g, r = Graph(), Graph()
    w = g.op("Quant", g.const(latent), g.const(scale), g.const(F32(0)), g.const(F32(4)), domain="onnx.brevitas", signed=1,
             narrow=1, rounding_mode="ROUND")
    y = linear(r, plain_activation(r), r.const(codes * scale))
    one_layer("w2_quant", g, w, codes, "4 bit", 75, reference=(r, y))

    latent = rng.standard_normal((N, K)).astype(F32)
    latent[0, :2] = [0, -0.0]
    codes = np.where(latent >= 0, 1, -1)
    g, r = Graph(), Graph()
    w = g.op("BipolarQuant", g.const(latent), g.const(scale), domain=FINN)
    y = linear(r, plain_activation(r), r.const(codes * scale))
    one_layer("w2_bipolar_quant", g, w, codes, "1 bit", 76, reference=(r, y))


def other_weights(rng):
    latent = rng.standard_normal((N, K)).astype(F32)
    latent[:, 3] = 0
    g = Graph()
    w = g.op("Mul", g.op("Sign", g.const(latent)), g.const(rng.uniform(0.05, 0.2, (N, 1))))
    one_layer("w4_zero_latents", g, w, np.sign(latent), "ternary", 77)

    latent = rng.standard_normal((N, K)).astype(F32)
    codes = np.where(latent > F32(0.5), 1, np.where(latent < F32(-0.5), -1, 0))
    g = Graph()
    w, one = g.const(latent), g.const(F32(1))
    low = g.op("Where", g.op("Less", w, g.const(F32(-0.5))), g.op("Neg", one), g.const(F32(0)))
    w = g.op("Where", g.op("Greater", w, g.const(F32(0.5))), one, low)
    one_layer("w5_where", g, g.op("Mul", w, g.const(F32(0.07))), codes, "ternary", 78)

    codes, _ = grid(rng, 4)
    alpha, beta = rng.uniform(0.1, 0.3, (N, 1)).astype(F32), rng.uniform(0.5, 2, (1, K)).astype(F32)
    scale = (alpha @ beta).astype(F32)
    latent = ((codes + rng.uniform(-0.4, 0.4, codes.shape)) * scale).astype(F32)
    g = Graph()
    s = g.op("MatMul", g.const(alpha), g.const(beta))
    t = g.op("Clip", g.op("Div", g.const(latent), s), g.const(F32(-8)), g.const(F32(7)))
    w = g.op("Mul", g.op("Add", g.op("Sub", g.op("Round", t), t), t), s)
    y = linear(g, plain_activation(g), w)
    save("w8_lsq_rank_one", g, inputs(79), y,
         [{"weights": "4 bit", "activations": "8 bit signed columns", "codes": codes}])

    table = np.array([-0.7, -0.31, -0.052, 0.11, 0.2401, 0.377, 0.5309, 0.93], F32)
    g = Graph()
    y = g.op("MatMul", plain_activation(g), g.const(table[rng.integers(0, 8, (K, N))]))
    save("w6_codebook", g, inputs(80), y, [{"weights": "f32", "reason": "codebook"}])

    g = Graph()
    y = g.op("Conv", g.op("Sign", "x"), g.const(rng.standard_normal((6, 1, 3, 3))), group=6)
    save("w10_depthwise_floats", g, inputs(81, (1, 6, 5, 5)), y, [{"weights": "f32", "reason": "grid"}])


# --- activations

def with_codes(rng, name, make, text, seed, reference=None, bits=4, k=K, shape=(1, ROWS, K), opset=17, factor=1, **more):
    codes, scale = grid(rng, bits, k=k)

    def build(g, quantiser):
        return g.op("MatMul", quantiser(g), g.const((codes * scale).T))

    g = Graph(opset)
    y = build(g, make)
    other = None
    if reference is not None:
        r = Graph()
        other = (r, build(r, reference))
    save(name, g, signs_input(seed, shape), y, [{"weights": f"{bits} bit", "activations": text, "codes": codes * factor, **more}],
         reference=other)


def more_quantisers(rng):
    with_codes(rng, "a1_one_sided_clip", lambda g: qdq(g, "x", 0.03, 0, np.uint8, 0, 127), "8 bit unsigned", 82)

    def int_quant(mode, zero):
        return lambda g: g.op("IntQuant", "x", g.const(F32(0.25)), g.const(F32(zero)), g.const(F32(4)), domain=FINN,
                              signed=1, narrow=0, rounding_mode=mode)

    def by_hand(mode, zero):
        def make(g):
            t = g.op("Add", g.op("Div", "x", g.const(F32(0.25))), g.const(F32(zero)))
            t = g.op(mode, g.op("Clip", t, g.const(F32(-8)), g.const(F32(7))))
            return g.op("Mul", g.op("Sub", t, g.const(F32(zero))), g.const(F32(0.25)))
        return make
    with_codes(rng, "a2_floor", int_quant("FLOOR", 0), "4 bit signed", 83, by_hand("Floor", 0))
    with_codes(rng, "a2_ceil", int_quant("CEIL", 0), "4 bit signed", 84, by_hand("Ceil", 0))
    with_codes(rng, "a2_zero_point", int_quant("ROUND", 2), "4 bit signed", 85, by_hand("Round", 2))

    def pact(g):
        t = g.op("Clip", "x", g.const(F32(0)), g.const(F32(2.5)))
        return g.op("Div", g.op("Round", g.op("Mul", t, g.const(F32(15 / 2.5)))), g.const(F32(15 / 2.5)))
    with_codes(rng, "a5_pact", pact, "4 bit unsigned", 86)

    def greater(g):
        return g.op("Where", g.op("Greater", "x", g.const(F32(0))), g.const(F32(1)), g.const(F32(-1)))
    with_codes(rng, "a8_where_greater", greater, "1 bit", 87)
    with_codes(rng, "a8_bipolar_quant", lambda g: g.op("BipolarQuant", "x", g.const(F32(1)), domain=FINN), "1 bit", 88,
               lambda g: g.op("Where", g.op("GreaterOrEqual", "x", g.const(F32(0))), g.const(F32(1)), g.const(F32(-1))))
    with_codes(rng, "a8_heaviside", lambda g: g.op("Sign", g.op("Relu", "x")), "1 bit", 89)

    def per_tensor(g):
        largest = g.op("ReduceMax", g.op("Abs", "x"), keepdims=0)
        scale = g.op("Div", largest, g.const(F32(7)))
        return g.op("Mul", g.op("Round", g.op("Div", "x", scale)), scale)
    with_codes(rng, "a12_per_tensor", per_tensor, "4 bit signed dynamic", 90)

    factor = 2 ** (np.arange(K) % 4)
    factor[::3] *= -1
    powers = (F32(0.05) * factor).astype(F32)
    zeros = (np.arange(K) % 3).astype(F32)
    with_codes(rng, "a13_powers_of_two", lambda g: lsq(g, "x", powers, zeros, -8, 7),
               "4 bit signed columns of one scale", 91, factor=factor)
    with_codes(rng, "a13_zero_points", lambda g: lsq(g, "x", np.full(K, 0.3, F32), zeros, -8, 7),
               "4 bit signed columns of one scale", 92)


def moved_codes(rng):
    scale = F32(0.2)

    def case(name, make, seed, shape=(1, ROWS, K), text="4 bit signed"):
        with_codes(rng, name, make, text, seed, shape=shape)

    def gathered(g):
        q = lsq(g, "x", scale, None, -8, 7)
        return g.op("Gather", q, g.const([4, 0, 0, 2], np.int64), axis=1)
    case("a14_gather", gathered, 93)

    def sliced(g):
        q = lsq(g, "x", scale, None, -8, 7)
        one, end, axis = g.const([1], np.int64), g.const([1 << 40], np.int64), g.const([1], np.int64)
        zero = g.const([0], np.int64)
        return g.op("Concat", g.op("Slice", q, one, end, axis), g.op("Slice", q, zero, one, axis), axis=1)
    case("a14_roll", sliced, 94)

    def split(g):
        q = lsq(g, "x", scale, None, -8, 7)
        a, b = g.op("Split", q, g.const([K, K], np.int64), outputs=2, axis=2)
        return b
    case("a14_split", split, 95, (1, ROWS, 2 * K))

    def pooled(g):
        q = lsq(g, "x", scale, None, -8, 7)
        q = g.op("MaxPool", q, kernel_shape=[2, 1], strides=[2, 1])
        return g.op("Reshape", g.op("Transpose", q, perm=[0, 2, 3, 1]), g.const([1, 6, K], np.int64))
    case("a14_max_pool", pooled, 96, (1, K, 4, 3))

    # In front of convolutions, as QONNX networks have it: an even scale, and signs.
    for name, quantise, text, weights in (
            ("a14_conv_max_pool", lambda g: lsq(g, "x", scale, None, -8, 7), "4 bit signed", "4 bit"),
            ("a14_conv_sign_concat", lambda g: g.op("Sign", "x"), "1 bit", "1 bit")):
        g = Graph()
        if weights == "1 bit":
            codes, w = binary(rng, 6, 10)
            q = quantise(g)
            q = g.op("Concat", q, q, axis=1)
        else:
            codes, w_scale = grid(rng, 4, 6, 5)
            w, q = codes * w_scale, g.op("MaxPool", quantise(g), kernel_shape=[2, 2], strides=[2, 2])
        y = g.op("Conv", q, g.const(w.reshape(6, -1, 1, 1)))
        save(name, g, inputs(99, (1, 5, 6, 6)), y, [{"weights": weights, "activations": text, "codes": codes}])

    def joined(g):
        a = lsq(g, "x", F32(0.2), None, -8, 7)
        b = lsq(g, "x", F32(0.3), None, -8, 7)
        return g.op("Concat", a, b, axis=1)
    case("a15_concat", joined, 97, text="f32")


# --- layers

def norms_and_signs(rng):
    """BatchNormalization, spelled out, between a product and a sign, a negative and a zero factor among them."""
    layers, g, y = [], Graph(), "x"
    gamma = rng.uniform(0.5, 1.5, N).astype(F32)
    gamma[1], gamma[2] = -1.1, 0
    for k in (K, N):
        codes, w = binary(rng, N, k)
        y = g.op("MatMul", g.op("Sign", y), g.const(w.T))
        layers.append({"weights": "1 bit", "activations": "1 bit", "codes": codes})
        if k == N:
            break
        variance = g.op("Add", g.const(rng.uniform(0.5, 2, N)), g.const(F32(1e-5)))
        y = g.op("Div", g.op("Sub", y, g.const(rng.standard_normal(N))), g.op("Sqrt", variance))
        y = g.op("Add", g.op("Mul", y, g.const(gamma)), g.const(rng.standard_normal(N)))
    save("l4_spelled_norm_sign", g, inputs(98), y, layers)


def attention(rng):
    heads, d = 2, 8

    def case(name, quantise, text, seed, probability=True):
        g, layers = Graph(), []
        x = lsq(g, "x", F32(0.2), None, -8, 7)

        def projected(perm):
            codes, scale = grid(rng, 4, K, K)
            layers.append({"weights": "4 bit", "activations": "4 bit signed", "codes": codes})
            y = g.op("MatMul", x, g.const((codes * scale).T))
            y = g.op("Reshape", y, g.const([1, ROWS, heads, d], np.int64))
            return lsq(g, g.op("Transpose", y, perm=perm), F32(0.3), None, -8, 7)
        q, k, v = projected([0, 2, 1, 3]), projected([0, 2, 3, 1]), projected([0, 2, 1, 3])
        s = g.op("Mul", g.op("MatMul", q, k), g.const(F32(d ** -0.5)))
        p = quantise(g, g.op("Softmax", s, axis=-1) if probability else s)
        y = g.op("Reshape", g.op("Transpose", g.op("MatMul", p, v), perm=[0, 2, 1, 3]), g.const([1, ROWS, K], np.int64))
        save(name, g, inputs(seed), y, layers + text)

    codes4 = [{"weights": "4 bit", "activations": "4 bit"}]
    case("l6_attention_4bit", lambda g, p: lsq(g, p, F32(0.07), None, 0, 15), codes4 * 2, 110)

    def bit(g, p):
        c = g.const(F32(0.3))
        return g.op("Mul", g.op("Clip", g.op("Round", g.op("Div", p, c)), g.const(F32(0)), g.const(F32(1))), c)
    one = {"weights": "4 bit", "activations": "1 bit"}
    case("a10_round_clip", bit, codes4 + [one], 111)

    def positive(g, s):
        return g.op("Cast", g.op("Greater", s, g.const(F32(0))), to=TensorProto.FLOAT)
    case("a10_positive", positive, codes4 + [one], 112, False)

    def logarithm(g, p):
        e = g.op("Round", g.op("Neg", g.op("Div", g.op("Log", p), g.const(F32(np.log(2))))))
        e = g.op("Clip", e, g.const(F32(0)), g.const(F32(15)))
        return g.op("Pow", g.const(F32(2)), g.op("Neg", e))
    case("a11_attention", logarithm, [{"weights": "f32", "reason": "softmax"}, {"weights": "f32", "reason": "A11"}], 113)


CASES = (affine_signs, integer_weights, qonnx_weights, other_weights, more_quantisers, moved_codes, norms_and_signs,
         attention)
