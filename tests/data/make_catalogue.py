"""Makes tests/data/catalogue: one small model for each way in which low-bit layers reach ONNX.

Each folder holds model.onnx, input.npy, output.npy (of onnxruntime without optimisations, or of an equivalent in numpy)
and expected.json: what the converter must find in each product ("weights", "activations", "reason": a text that must be
there), and the integer codes of its weights, [N][K], computed here with numpy. Run it with a Python that has onnx >= 1.20
and onnxruntime:
    python make_catalogue.py
The files are the same at every run.
"""
import json
import pathlib
import shutil

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).parent / "catalogue"
F32 = np.float32
N, K, ROWS = 8, 16, 5


class Graph:
    """Nodes and constants of one model, named as they come."""

    def __init__(self, opset=17, ir=8):
        self.nodes, self.constants, self.opset, self.ir = [], [], opset, ir
        self.count = 0

    def op(self, kind, *inputs, outputs=1, domain=None, **attributes):
        self.count += 1
        names = [f"{kind.lower()}_{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def const(self, values, dtype=F32):
        self.count += 1
        name = f"constant_{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def packed(self, kind, values):
        """A constant of a 2- or 4-bit type."""
        self.count += 1
        name, values = f"constant_{self.count}", np.asarray(values)
        self.constants.append(helper.make_tensor(name, kind, values.shape, values.flatten().tolist()))
        return name

    def model(self, shape, output, out_shape):
        graph = helper.make_graph(
            self.nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, out_shape)], self.constants)
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(domain, 1) for domain in sorted({n.domain for n in self.nodes if n.domain})]
        made = helper.make_model(graph, opset_imports=imports, producer_name="make_catalogue.py")
        made.ir_version = self.ir
        return made


def run(made, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(made.SerializeToString(), options).run(None, {"x": x})[0]


def save(name, graph, x, output, layers, reference=None):
    """`layers`: by product, in order. `reference`: a Graph of standard operators where onnxruntime lacks one."""
    folder = ROOT / name
    folder.mkdir(parents=True)
    if reference is None:
        y = run(graph.model(list(x.shape), output, None), x)
    else:
        other, other_output = reference
        y = run(other.model(list(x.shape), other_output, None), x)
    made = graph.model(list(x.shape), output, list(y.shape))
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    np.save(folder / "input.npy", x)
    np.save(folder / "output.npy", y.astype(F32))
    for layer in layers:
        if "codes" in layer:
            layer["codes"] = np.asarray(layer["codes"]).astype(int).tolist()
    (folder / "expected.json").write_text(json.dumps({"layers": layers}) + "\n")


def inputs(seed, shape=(1, ROWS, K)):
    return np.random.default_rng(seed).standard_normal(shape).astype(F32)


def grid(rng, bits, n=N, k=K):
    """Codes of signed weights, both ends present in each row, and a scale for each row."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    codes = rng.integers(low, high + 1, (n, k))
    codes[:, 0], codes[:, 1] = low, high
    return codes, rng.uniform(0.05, 0.2, (n, 1)).astype(F32)


# --- activations: each writes a quantiser of "x" and gives its output

def lsq(g, x, scale, zero, low, high, residue=True):
    """Div, Add, Clip, Round with the straight-through residue, Sub, Mul."""
    t = g.op("Add", g.op("Div", x, g.const(scale)), g.const(zero)) if zero is not None else g.op("Div", x, g.const(scale))
    t = g.op("Clip", t, g.const(F32(low)), g.const(F32(high)))
    q = g.op("Round", t)
    if residue:
        q = g.op("Add", g.op("Sub", q, t), t)
    if zero is not None:
        q = g.op("Sub", q, g.const(zero))
    return g.op("Mul", q, g.const(scale))


def qdq(g, x, scale, zero, dtype, low=None, high=None):
    s, z = g.const(F32(scale)), g.const(zero, dtype)
    q = g.op("QuantizeLinear", x, s, z)
    if low is not None:
        q = g.op("Clip", q, g.const(low, dtype), g.const(high, dtype))
    return g.op("DequantizeLinear", q, s, z)


def plain_activation(g):
    return qdq(g, "x", 0.05, 0, np.int8)


def linear(g, x, weight):
    """x times the transposed [N, K] weight."""
    return g.op("MatMul", x, g.op("Transpose", weight, perm=[1, 0]))


ACT8 = "8 bit signed"


# --- weights

def weights_int8_dq(rng):
    for bits in (2, 4, 8):
        codes, scale = grid(rng, bits)
        g = Graph()
        w = g.op("DequantizeLinear", g.const(codes, np.int8), g.const(scale[:, 0]), axis=0)
        y = linear(g, plain_activation(g), w)
        save(f"w1_int8_dequantize_{bits}bit", g, inputs(bits), y,
             [{"weights": f"{bits} bit", "activations": ACT8, "codes": codes}])


def weights_int4(rng):
    codes, scale = grid(rng, 4)
    g = Graph(opset=21, ir=10)
    w = g.op("DequantizeLinear", g.packed(TensorProto.INT4, codes), g.const(scale[:, 0]), axis=0)
    y = linear(g, plain_activation(g), w)
    save("w1_int4_dequantize", g, inputs(5), y, [{"weights": "4 bit", "activations": ACT8, "codes": codes}])


def weights_quantize_dequantize(rng):
    codes, scale = grid(rng, 4)
    latent = ((codes + rng.uniform(-0.45, 0.45, codes.shape)) * scale).astype(F32)
    g = Graph()
    s, z = g.const(scale[:, 0]), g.const(np.zeros(N), np.int8)
    q = g.op("QuantizeLinear", g.const(latent), s, z, axis=0)
    q = g.op("Clip", q, g.const(-8, np.int8), g.const(7, np.int8))
    y = linear(g, plain_activation(g), g.op("DequantizeLinear", q, s, z, axis=0))
    save("w2_quantize_dequantize", g, inputs(6), y, [{"weights": "4 bit", "activations": ACT8, "codes": codes}])


def weights_lsq(rng):
    for bits in (2, 3, 4):
        codes, scale = grid(rng, bits)
        latent = ((codes + rng.uniform(-0.45, 0.45, codes.shape)) * scale).astype(F32)
        latent[:, 2] *= 3  # clipped
        codes = np.clip(np.rint(latent / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        g = Graph()
        w = lsq(g, g.const(latent), scale, None, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        y = linear(g, plain_activation(g), w)
        save(f"w3_lsq_{bits}bit", g, inputs(7), y, [{"weights": f"{bits} bit", "activations": ACT8, "codes": codes}])


def weights_sign(rng):
    latent = rng.standard_normal((N, K)).astype(F32)
    for name, centred in (("w4_sign_mean_abs", False), ("w4_centred_sign", True)):
        g = Graph()
        w = g.const(latent)
        s = g.op("ReduceMean", g.op("Abs", w), axes=[1], keepdims=1)
        shifted, values = w, latent
        if centred:
            shifted = g.op("Sub", w, g.op("ReduceMean", w, axes=[1], keepdims=1))
            values = latent - latent.mean(1, keepdims=True)
        y = linear(g, plain_activation(g), g.op("Mul", g.op("Sign", shifted), s))
        save(name, g, inputs(8), y, [{"weights": "1 bit", "activations": ACT8, "codes": np.sign(values)}])


def weights_ternary(rng):
    latent = rng.standard_normal((N, K)).astype(F32)
    g = Graph()
    w = g.const(latent)
    magnitude = g.op("Abs", w)
    threshold = g.op("Mul", g.op("ReduceMean", magnitude, axes=[1], keepdims=1), g.const(F32(0.7)))
    positive = g.op("Cast", g.op("Greater", w, threshold), to=TensorProto.FLOAT)
    negative = g.op("Cast", g.op("Less", w, g.op("Neg", threshold)), to=TensorProto.FLOAT)
    mask = g.op("Add", positive, negative)
    alpha = g.op("Div", g.op("ReduceSum", g.op("Mul", magnitude, mask), g.const([1], np.int64), keepdims=1),
                 g.op("ReduceSum", mask, g.const([1], np.int64), keepdims=1))
    y = linear(g, plain_activation(g), g.op("Mul", g.op("Sub", positive, negative), alpha))
    limit = F32(0.7) * np.abs(latent).mean(1, keepdims=True)
    codes = (latent > limit).astype(int) - (latent < -limit).astype(int)
    save("w5_ternary", g, inputs(9), y, [{"weights": "ternary", "activations": ACT8, "codes": codes}])


def weights_folded(rng):
    """Weights as the floats that an optimiser left: only their values tell."""
    codes, scale = grid(rng, 3)
    cases = {"w6_values_3bit": (codes, codes * scale, "3 bit")}
    half = 2 * rng.integers(-2, 2, (N, K)) + 1
    half[:, :4] = [-3, -1, 1, 3]
    cases["w6_half_integers"] = (half, half * (scale / 2), "2 bit")
    ternary = rng.integers(-1, 2, (N, K))
    ternary[:, :3] = [-1, 0, 1]
    cases["w6_values_ternary"] = (ternary, ternary * scale, "ternary")
    norm = rng.uniform(0.5, 2, (N, 1)).astype(F32)
    cases["w9_folded_norm"] = (codes, codes * scale * norm, "3 bit")
    for name, (integers, values, text) in cases.items():
        g = Graph()
        y = g.op("MatMul", plain_activation(g), g.const(values.T.astype(F32)))
        save(name, g, inputs(10), y, [{"weights": text, "activations": ACT8, "codes": integers}])


def weights_other(rng):
    g = Graph()
    y = g.op("MatMul", plain_activation(g), g.const(rng.standard_normal((K, N))))
    save("float_weights", g, inputs(11), y, [{"weights": "f32", "reason": "grid"}])
    codes, scale = grid(rng, 4)
    g = Graph()
    y = g.op("MatMul", "x", g.const((codes * scale).T))
    save("weights_only", g, inputs(12), y, [{"weights": "4 bit", "activations": "f32", "codes": codes}])
    beta = rng.uniform(0.5, 2, (1, K)).astype(F32)
    g = Graph()
    y = g.op("MatMul", plain_activation(g), g.const((codes * scale * beta).T))
    save("w8_rank_one_scale", g, inputs(13), y, [{"weights": "f32", "reason": "grid"}])


def two_valued(rng):
    """Rows of two values: {0, a}, and {a, b} = m + d t with t = -1, 1."""
    t = rng.integers(0, 2, (N, K))
    t[:, :2] = [0, 1]
    a, b = rng.uniform(-0.3, -0.1, (N, 1)).astype(F32), rng.uniform(0.05, 0.4, (N, 1)).astype(F32)
    a[0], b[1], a[2] = 0.07, -0.01, 0  # both of one sign, and one 0
    for name, make, text, more in (
            ("w6_zero_a", plain_activation, ACT8, {"values": t * b, "weights": "1 bit {0,s}", "codes": t}),
            ("w6_a_b", plain_activation, ACT8, {}),
            ("w6_a_b_sign", lambda g: g.op("Sign", "x"), "1 bit", {}),
            ("w6_a_b_4bit", lambda g: lsq(g, "x", F32(0.21), F32(3), -8, 7), "4 bit signed", {}),
            ("w6_a_b_per_token", per_token, "8 bit signed dynamic row", {}),
            ("w6_a_b_float", lambda g: "x", "f32", {})):
        values = more.get("values", np.where(t == 1, b, a)).astype(F32)
        far = np.abs(values) == np.maximum(np.abs(a), np.abs(b))  # code 1; the value nearer to 0 is -1, or 0
        g = Graph()
        y = g.op("MatMul", make(g), g.const(values.T))
        codes = more.get("codes", far if text == "f32" else 2 * far.astype(int) - 1)
        layer = {"weights": more.get("weights", "1 bit {a,b}"), "activations": text, "codes": codes}
        save(name, g, inputs(50), y, [layer])


def group_wise(rng):
    """A scale for each group of inputs, the last group short."""
    k, block = 80, 32
    blocks = -(-k // block)

    def draw(bits):
        codes = rng.integers(0, 2 ** bits, (N, blocks * block))
        codes[:, :2] = [0, 2 ** bits - 1]
        return codes, rng.uniform(0.05, 0.2, (N, blocks)).astype(F32), rng.integers(0, 2 ** bits, (N, blocks))

    def pack(codes, bits):
        shifts = np.arange(0, 8, bits)
        return (codes.reshape(N, -1, 8 // bits) << shifts).sum(-1).astype(np.uint8)

    def n_bits(name, bits, text, zeros=None, bias=False, moved=0):
        codes, scale, zero = draw(bits)
        g = Graph()
        more = []
        if zeros == "packed":
            padded = np.concatenate([zero, np.zeros((N, -blocks % (8 // bits)), int)], 1)
            more = [g.const(pack(padded, bits), np.uint8)]
        elif zeros == "floats":
            more = [g.const(zero + 0.25)]
        if bias:
            more = (more or [""]) + ["", g.const(rng.standard_normal(N))]
        y = g.op("MatMulNBits", "x", g.const(pack(codes, bits).reshape(N, blocks, -1), np.uint8), g.const(scale), *more,
                 domain="com.microsoft", K=k, N=N, bits=bits, block_size=block)
        save(name, g, inputs(60, (1, ROWS, k)), y,
             [{"weights": text, "activations": "f32", "codes": codes[:, :k] - moved}])

    n_bits("w7_matmulnbits_4bit", 4, "4 bit signed, groups of 32", bias=True, moved=8)
    n_bits("w7_matmulnbits_2bit_zp", 2, "2 bit unsigned with zero points, groups of 32", zeros="packed")
    n_bits("w7_matmulnbits_4bit_float_zp", 4, "4 bit unsigned with zero points, groups of 32", zeros="floats")

    codes, scale, zero = draw(4)
    codes, signed, zero = codes[:, :k], codes[:, :k] - 8, zero - 8
    g = Graph(opset=21, ir=10)
    w = g.op("DequantizeLinear", g.packed(TensorProto.INT4, signed.T), g.const(scale.T), g.packed(TensorProto.INT4, zero.T),
             axis=0, block_size=block)
    save("w7_blocked_dequantize_4bit", g, inputs(61, (1, ROWS, k)), g.op("MatMul", "x", w),
         [{"weights": "4 bit unsigned with zero points, groups of 32", "activations": "f32", "codes": codes}])

    codes, scale, _ = draw(4)
    g = Graph(opset=21, ir=10)
    w = g.op("DequantizeLinear", g.packed(TensorProto.INT4, codes[:, :k] - 8), g.const(scale), axis=1, block_size=block)
    save("w7_blocked_dequantize_symmetric", g, inputs(64, (1, ROWS, k)), linear(g, "x", w),
         [{"weights": "4 bit signed, groups of 32", "activations": "f32", "codes": codes[:, :k] - 8}])

    codes, scale, zero = draw(4)
    codes, zero = codes[:, :k], np.repeat(zero, block, 1)[:, :k]
    codes[:, block:block + 2] = codes[:, 2 * block:2 * block + 2] = [0, 15]
    values = (codes - zero).astype(F32) * np.repeat(scale, block, 1)[:, :k]
    g = Graph()
    save("w7_folded_values", g, inputs(63, (1, ROWS, k)), g.op("MatMul", "x", g.const(values.T)),
         [{"weights": "4 bit unsigned with zero points, groups of 32, exact", "activations": "f32", "codes": codes}])

    k, block = 64, 16
    codes = rng.integers(-1, 2, (N, k))
    g = Graph()
    w = g.op("Mul", g.const(codes.reshape(N, k // block, block)), g.const(rng.uniform(0.05, 0.2, (N, k // block, 1))))
    y = linear(g, plain_activation(g), g.op("Reshape", w, g.const([N, k], np.int64)))
    save("w7_by_hand_ternary", g, inputs(62, (1, ROWS, k)), y,
         [{"weights": "ternary, groups of 16", "activations": ACT8, "codes": codes}])


# --- activations

def with_weights(rng, name, make, text, shape=(1, ROWS, K), graph=None, reference=None, **more):
    codes, scale = grid(rng, 4)

    def build(g, quantiser):
        return g.op("MatMul", quantiser(g), g.const((codes * scale).T))

    g = graph or Graph()
    y = build(g, make)
    other = None
    if reference is not None:
        r = Graph()
        other = (r, build(r, reference))
    x = inputs(20, shape)
    x[0, 0, :4] = [0, -0.0, 100, -100]  # zeros of both signs, and both ends
    save(name, g, x, y, [{"weights": "4 bit", "activations": text, "codes": codes, **more}], reference=other)


def activations(rng):
    column = rng.uniform(0.1, 0.3, K).astype(F32)
    zeros = rng.integers(-3, 4, K).astype(F32)
    with_weights(rng, "a1_qdq_u8", lambda g: qdq(g, "x", 0.03, 117, np.uint8), "8 bit unsigned")
    with_weights(rng, "a1_qdq_4bit_clip", lambda g: qdq(g, "x", 0.3, 0, np.int8, -8, 7), "4 bit signed")
    with_weights(rng, "a2_int_quant",
                 lambda g: g.op("IntQuant", "x", g.const(F32(0.25)), g.const(F32(0)), g.const(F32(4)),
                                domain="qonnx.custom_op.general", signed=1, narrow=1, rounding_mode="ROUND"),
                 "4 bit signed", reference=lambda g: lsq(g, "x", F32(0.25), None, -7, 7, residue=False))
    with_weights(rng, "a3_lsq_zero_point", lambda g: lsq(g, "x", F32(0.21), F32(3), -8, 7), "4 bit signed")
    with_weights(rng, "a3_negative_scale", lambda g: lsq(g, "x", F32(-0.21), F32(1), -8, 7), "4 bit signed")
    with_weights(rng, "a3_unsigned", lambda g: lsq(g, "x", F32(0.2), F32(2), 0, 7), "3 bit unsigned")

    def reciprocal(g):
        t = g.op("Clip", g.op("Round", g.op("Mul", "x", g.const(F32(1 / 0.3)))), g.const(F32(-8)), g.const(F32(7)))
        return g.op("Mul", t, g.const(F32(0.3)))
    with_weights(rng, "a4_reciprocal", reciprocal, "4 bit signed")

    def dorefa(g):
        t = g.op("Clip", "x", g.const(F32(0)), g.const(F32(1)))
        return g.op("Div", g.op("Round", g.op("Mul", t, g.const(F32(15)))), g.const(F32(15)))
    with_weights(rng, "a5_dorefa", dorefa, "4 bit unsigned")
    with_weights(rng, "a6_relu", lambda g: qdq(g, g.op("Relu", "x"), 0.02, 0, np.uint8), "8 bit unsigned")
    with_weights(rng, "a12_per_token", lambda g: per_token(g), "8 bit signed dynamic row")
    with_weights(rng, "a13_per_column", lambda g: lsq(g, "x", column, zeros, -8, 7), "4 bit signed columns")
    with_weights(rng, "a13_equal_columns", lambda g: lsq(g, "x", np.full(K, 0.25, F32), np.zeros(K, F32), -8, 7),
                 "4 bit signed")

    def moved(g):
        q = lsq(g, "x", F32(0.2), None, -8, 7)
        q = g.op("Transpose", g.op("Reshape", q, g.const([1, ROWS, 4, 4], np.int64)), perm=[0, 1, 3, 2])
        return g.op("Reshape", q, g.const([1, ROWS, K], np.int64))
    with_weights(rng, "a14_codes_move", moved, "4 bit signed")

    def added(g):
        q = g.op("Add", lsq(g, "x", F32(0.2), None, -8, 7), lsq(g, "x", F32(0.15), None, -8, 7))
        return lsq(g, q, F32(0.4), None, -8, 7)
    with_weights(rng, "a15_sum_requantised", added, "4 bit signed")

    def logarithmic(g):
        p = g.op("Softmax", "x", axis=-1)
        e = g.op("Round", g.op("Neg", g.op("Div", g.op("Log", p), g.const(F32(np.log(2))))))
        e = g.op("Clip", e, g.const(F32(0)), g.const(F32(15)))
        return g.op("Pow", g.const(F32(2)), g.op("Neg", e))
    with_weights(rng, "a11_logarithmic", logarithmic, "f32, logarithmic codes")


def per_token(g):
    largest = g.op("ReduceMax", g.op("Abs", "x"), axes=[2], keepdims=1)
    scale = g.op("Div", largest, g.const(F32(127)))
    return g.op("Mul", g.op("Round", g.op("Div", "x", scale)), scale)


def signs(rng):
    latent = rng.standard_normal((N, K)).astype(F32)
    scale = np.abs(latent).mean(1, keepdims=True)
    codes = np.sign(latent)

    def build(name, make, text):
        g = Graph()
        y = g.op("MatMul", make(g), g.const((codes * scale).T))
        x = inputs(30)
        x[0, 0, :4] = [0, -0.0, 100, -100]
        save(name, g, x, y, [{"weights": "1 bit", "activations": text, "codes": codes}])

    build("a7_sign", lambda g: g.op("Sign", "x"), "1 bit")
    build("a7_shifted_sign", lambda g: g.op("Sign", g.op("Add", "x", g.const(rng.standard_normal(K)))), "1 bit")
    build("a8_two_valued_sign", lambda g: g.op("Sign", g.op("Add", g.op("Sign", "x"), g.const(F32(0.1)))), "1 bit")

    def where(g):
        return g.op("Where", g.op("GreaterOrEqual", "x", g.const(F32(0))), g.const(F32(1)), g.const(F32(-1)))
    build("a8_where", where, "1 bit")


def dynamic_integer(rng):
    """What onnxruntime's dynamic quantisation writes."""
    codes, scale = grid(rng, 8)
    g = Graph()
    q, s, z = g.op("DynamicQuantizeLinear", "x", outputs=3)
    product = g.op("MatMulInteger", q, g.const(codes.T, np.int8), z, g.const(0, np.int8))
    factor = g.op("Mul", s, g.const(scale[:, 0]))
    y = g.op("Mul", g.op("Cast", product, to=TensorProto.FLOAT), factor)
    save("a12_dynamic_integer", g, inputs(40), y, [{"weights": "8 bit", "activations": "8 bit unsigned", "codes": codes}])


def main():
    import make_catalogue_conv  # which read this module
    import make_catalogue_more
    shutil.rmtree(ROOT, ignore_errors=True)
    for seed, make in enumerate((weights_int8_dq, weights_int4, weights_quantize_dequantize, weights_lsq, weights_sign,
                                 weights_ternary, weights_folded, weights_other, activations, signs, dynamic_integer,
                                 two_valued, group_wise)):
        make(np.random.default_rng(seed))
    for seed, make in enumerate(make_catalogue_conv.CASES, start=11):
        make(np.random.default_rng(seed))
    for seed, make in enumerate(make_catalogue_more.CASES, start=100):
        make(np.random.default_rng(seed))


if __name__ == "__main__":
    main()
