"""Makes tests/data/onnx: small models for the importer's tests and fuzz corpus.

Each good model is a folder like those of ONNX's own backend tests (model.onnx and
test_data_set_0 with inputs and the outputs of onnx's reference evaluator); onnx/bad
holds models that must be refused. Run it with a Python that has onnx >= 1.20 and
onnxruntime, whose operators have no other reference:
    python make_onnx.py
The files are the same at every run.
"""
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROOT = pathlib.Path(__file__).parent / "onnx"
F, I64 = TensorProto.FLOAT, TensorProto.INT64


def model(nodes, inputs, outputs, initializers=(), opset=17, ir=8):
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
        list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             producer_name="make_onnx.py")
    made.ir_version = ir
    return made


def const(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype), name)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def onnxruntime_outputs(made, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.SerializeToString(), options)
    names = [i.name for i in made.graph.input]
    return session.run(None, dict(zip(names, inputs)))


def save(name, made, inputs, reference=None, outputs=None):
    """Writes a good model with data; `reference` stands in for it in the evaluator."""
    folder = ROOT / name
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    names = [i.name for i in made.graph.input][:len(inputs)]
    if outputs is None:
        outputs = ReferenceEvaluator(reference or made).run(None, dict(zip(names, inputs)))
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.asarray(array))
            (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def bireal_linear(rng):
    """A Bi-Real binary linear layer as the TorchScript exporter writes it (opset 17)."""
    weight = rng.standard_normal((8, 16)).astype(np.float32)
    nodes = [
        node("Sign", "x", "sign"),
        node("Less", "x minus_one", "l1"), node("Cast", "l1", "m1", to=F),
        node("Less", "x zero", "l2"), node("Cast", "l2", "m2", to=F),
        node("Less", "x one", "l3"), node("Cast", "l3", "m3", to=F),
        node("Mul", "x x", "square"), node("Mul", "x two", "double"),
        node("Add", "square double", "up"), node("Neg", "square", "minus"),
        node("Add", "minus double", "down"),
        node("Mul", "m1 minus_one", "a1"), node("Sub", "one m1", "n1"),
        node("Mul", "up n1", "b1"), node("Add", "a1 b1", "o1"),
        node("Mul", "o1 m2", "a2"), node("Sub", "one m2", "n2"),
        node("Mul", "down n2", "b2"), node("Add", "a2 b2", "o2"),
        node("Mul", "o2 m3", "a3"), node("Sub", "one m3", "n3"),
        node("Mul", "one n3", "b3"), node("Add", "a3 b3", "residue"),
        node("Sub", "sign residue", "difference"),
        node("Add", "difference residue", "codes"),
        node("Abs", "w", "magnitude"),
        node("ReduceMean", "magnitude", "scale", axes=[1], keepdims=1),
        node("Sign", "w", "w_sign"), node("Mul", "scale w_sign", "w_binary"),
        node("Clip", "w low high", "w_clip"),
        node("Sub", "w_binary w_clip", "w_difference"),
        node("Add", "w_difference w_clip", "w_final"),
        node("Transpose", "w_final", "w_transposed", perm=[1, 0]),
        node("MatMul", "codes w_transposed", "y"),
    ]
    constants = [const("w", weight), const("minus_one", -1), const("zero", 0),
                 const("one", 1), const("two", 2), const("low", -1), const("high", 1)]
    x = rng.standard_normal((1, 3, 16)).astype(np.float32)
    save("bireal_linear",
         model(nodes, [("x", F, [1, 3, 16])], [("y", F, [1, 3, 8])], constants), [x])


def class_token(rng):
    """Shape arithmetic of a vision transformer: Expand of the class token by Where."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape index", "batch"),
        node("Unsqueeze", "batch axes", "batch1"),
        node("Concat", "batch1 rest", "target", axis=0),
        node("Shape", "target", "rank"),
        node("ConstantOfShape", "rank", "ones", value=const("", [1], np.int64)),
        node("Mul", "ones minus_one", "minus_ones"),
        node("Equal", "target minus_ones", "is_keep"),
        node("Where", "is_keep ones target", "expand_shape"),
        node("Expand", "token expand_shape", "tokens"),
        node("Concat", "tokens x", "y", axis=1),
    ]
    constants = [const("index", 0, np.int64), const("axes", [0], np.int64),
                 const("rest", [-1, -1], np.int64), const("minus_one", -1, np.int64),
                 const("token", rng.standard_normal((1, 1, 4)))]
    x = rng.standard_normal((1, 2, 4)).astype(np.float32)
    save("class_token",
         model(nodes, [("x", F, ["batch", 2, 4])], [("y", F, ["batch", 3, 4])], constants),
         [x])


def external_weights(rng):
    """Two tensors in one file beside the model, the second one at an offset."""
    w = rng.standard_normal((4, 3)).astype(np.float32)
    b = rng.standard_normal(3).astype(np.float32)
    nodes = [node("MatMul", "x w", "product"), node("Add", "product b", "y")]
    io = ([("x", F, [2, 4])], [("y", F, [2, 3])])
    inline = model(nodes, *io, [const("w", w), const("b", b)])
    made = model(nodes, *io)
    blob = b""
    for name, array in (("w", w), ("b", b)):
        tensor = made.graph.initializer.add(name=name, data_type=F, dims=array.shape,
                                            data_location=TensorProto.EXTERNAL)
        raw = array.tobytes()
        for key, value in (("location", "weights.bin"), ("offset", str(len(blob))),
                           ("length", str(len(raw)))):
            tensor.external_data.add(key=key, value=value)
        blob += raw + bytes(16)
    save("external_weights", made, [rng.standard_normal((2, 4)).astype(np.float32)], inline)
    (ROOT / "external_weights" / "weights.bin").write_bytes(blob)


def int4_weights(rng):
    """A 4-bit weight with a scale (opset 21): Cast, Mul, MatMul."""
    codes = rng.integers(-8, 8, (5, 3)).astype(np.int8)
    packed = codes.ravel().astype(np.uint8) & 15
    packed = np.append(packed, np.uint8(0)).reshape(-1, 2)
    raw = (packed[:, 0] | packed[:, 1] << 4).astype(np.uint8).tobytes()
    nodes = [node("Cast", "q", "real", to=F), node("Mul", "real scale", "w"),
             node("MatMul", "x w", "y")]
    io = ([("x", F, [1, 5])], [("y", F, [1, 3])])
    scale = const("scale", [0.5, 0.25, 2])
    made = model(nodes, *io, [scale], opset=21, ir=10)
    made.graph.initializer.add(name="q", data_type=22, dims=[5, 3], raw_data=raw)
    reference = model(nodes, *io, [scale, const("q", codes, np.int8)], opset=21, ir=10)
    save("int4_weights", made, [rng.standard_normal((1, 5)).astype(np.float32)], reference)


def opset9(rng):
    """Attributes of old operators, and initializers that are inputs as well."""
    nodes = [
        node("Clip", "x", "clipped", min=-0.5, max=0.5),
        node("Unsqueeze", "clipped", "wide", axes=[0]),
        node("Slice", "wide", "cut", axes=[2], starts=[1], ends=[-1]),
        node("Dropout", "cut", "kept", ratio=0.5),
        node("Squeeze", "kept", "flat", axes=[0]),
        node("Gemm", "flat w b", "product", transB=1, alpha=0.5),
        node("ReduceMean", "product", "mean", axes=[1], keepdims=1),
        node("Sub", "product mean", "centred"),
        node("Softmax", "centred", "y", axis=1),
    ]
    made = model(nodes,
                 [("x", F, [2, 6]), ("w", F, [3, 4]), ("b", F, [3])],
                 [("y", F, [2, 3])],
                 [const("w", rng.standard_normal((3, 4))), const("b", rng.standard_normal(3))],
                 opset=9, ir=3)
    save("opset9", made, [rng.standard_normal((2, 6)).astype(np.float32)])


def float16_weights(rng):
    """Half-precision weights behind a Cast, as converters to smaller files write."""
    nodes = [node("Cast", "h", "w", to=F), node("MatMul", "x w", "y")]
    made = model(nodes, [("x", F, [1, 4])], [("y", F, [1, 2])],
                 [const("h", rng.standard_normal((4, 2)), np.float16)])
    save("float16_weights", made, [rng.standard_normal((1, 4)).astype(np.float32)])


def newer_operators(rng):
    """Operators and forms that the cases of older onnx packages do not have."""
    nodes = [
        node("CumProd", "x axis", "products", exclusive=1, reverse=1),
        node("LpPool", "image", "pooled", kernel_shape=[3, 3], pads=[1, 1, 1, 1], p=3),
        node("LpNormalization", "x", "normal", axis=0, p=2),
        node("BitwiseNot", "i", "inverse"),
        node("AveragePool", "image", "mean", kernel_shape=[2, 2], dilations=[2, 3],
             strides=[1, 2], pads=[1, 0, 1, 1], ceil_mode=1),
        # Whole numbers: the reference cuts fractions off where the text says half to even.
        node("Mul", "x five", "large"), node("Round", "large", "whole"),
        node("Cast", "whole", "narrow", to=TensorProto.INT4),
        node("Cast", "narrow", "wrapped", to=F),
    ]
    image = rng.standard_normal((1, 2, 7, 8)).astype(np.float32)
    made = model(nodes, [("x", F, [3, 4]), ("image", F, [1, 2, 7, 8]), ("i", I64, [5])],
                 [("products", F, [3, 4]), ("pooled", F, [1, 2, 7, 8]), ("normal", F, [3, 4]),
                  ("inverse", I64, [5]), ("mean", F, None), ("wrapped", F, [3, 4])],
                 [const("axis", 0, np.int64), const("five", 5.0)], opset=26, ir=13)
    save("newer_operators", made, [rng.standard_normal((3, 4)).astype(np.float32), image,
                                   np.array([0, -1, 5, 1 << 40, -77])])


def attention(rng):
    """Grouped queries, a cache, a mask that is too short, a cap, and embeddings by position."""
    nodes = [
        node("RotaryEmbedding", "q cos sin positions", "turned", num_heads=4, interleaved=1,
             rotary_embedding_dim=4),
        node("Attention", "turned k v mask past_k past_v", "y present_k present_v scores",
             q_num_heads=4, kv_num_heads=2, is_causal=1, softcap=2.0, scale=0.3,
             qk_matmul_output_mode=1),
    ]
    shapes = [("q", F, [2, 3, 24]), ("k", F, [2, 3, 12]), ("v", F, [2, 3, 10]),
              ("past_k", F, [2, 2, 2, 6]), ("past_v", F, [2, 2, 2, 5])]
    made = model(nodes, shapes, [("y", F, [2, 3, 20]), ("present_k", F, [2, 2, 5, 6]),
                                 ("present_v", F, [2, 2, 5, 5]), ("scores", F, [2, 4, 3, 5])],
                 [const("cos", rng.standard_normal((8, 2))), const("sin", rng.standard_normal((8, 2))),
                  const("positions", [[0, 1, 2], [5, 7, 3]], np.int64),
                  const("mask", rng.standard_normal((3, 4)))], opset=23, ir=11)
    save("attention", made, [rng.standard_normal(s).astype(np.float32) for _, _, s in shapes])


def contrib(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(" "), outputs.split(), domain="com.microsoft",
                            **attributes)


def contrib_model(*arguments):
    made = model(*arguments)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def contrib_transformer(rng):
    """What onnxruntime's optimiser makes of a transformer's block."""
    nodes = [
        contrib("FastGelu", "x b", "active"),
        contrib("SkipLayerNormalization", "active x gamma beta b", "normal   sum", epsilon=1e-5),
        contrib("Attention", "normal w wb mask", "mixed", num_heads=2),
        contrib("MultiHeadAttention", "mixed normal normal wb", "y", num_heads=4),
        contrib("SkipSimplifiedLayerNormalization", "y x gamma", "z", epsilon=1e-5),
    ]
    nodes[1].output[:] = ["normal", "", "", "sum"]
    made = contrib_model(
        nodes, [("x", F, [1, 3, 8])],
        [("sum", F, [1, 3, 8]), ("y", F, [1, 3, 8]), ("z", F, [1, 3, 8])],
        [const("b", rng.standard_normal(8)), const("gamma", rng.standard_normal(8)),
         const("beta", rng.standard_normal(8)), const("w", rng.standard_normal((8, 24))),
         const("wb", rng.standard_normal(24)), const("mask", [[1, 1, 0]], np.int32)])
    x = [rng.standard_normal((1, 3, 8)).astype(np.float32)]
    save("contrib_transformer", made, x, outputs=onnxruntime_outputs(made, x))


def contrib_quantised(rng):
    """The 8-bit operators of com.microsoft, and weights in blocks of 16."""
    nodes = [
        node("QuantizeLinear", "x s1 z1", "a"), node("QuantizeLinear", "x s2 z2", "b"),
        contrib("QLinearAdd", "a s1 z1 b s2 z2 s3 z3", "sum"),
        contrib("QLinearMul", "sum s3 z3 a s1 z1 s2 z2", "product"),
        contrib("QLinearSigmoid", "product s2 z2 s4 z4", "gate"),
        contrib("QLinearConcat", "s3 z3 sum s3 z3 gate s4 z4", "both", axis=1),
        contrib("QGemm", "a s1 z1 w ws wz c s3 z3", "linear", transB=1),
        contrib("MatMulIntegerToFloat", "a wt s1 ws z1  c_f", "floats"),
        contrib("DynamicQuantizeMatMul", "x wt ws", "dynamic"),
        contrib("MatMulNBits", "x blocks scales zeros", "blocked", K=20, N=3, bits=4, block_size=16),
    ]
    u8, s8, i32 = TensorProto.UINT8, TensorProto.INT8, np.int32
    weight = rng.integers(-128, 128, (3, 20)).astype(np.int8)
    made = contrib_model(
        nodes, [("x", F, [4, 20])],
        [("product", u8, [4, 20]), ("both", u8, [4, 40]), ("linear", u8, [4, 3]),
         ("floats", F, [4, 3]), ("dynamic", F, [4, 3]), ("blocked", F, [4, 3])],
        [const("s1", 0.03), const("z1", 120, np.uint8), const("s2", 0.05), const("z2", 131, np.uint8),
         const("s3", 0.07), const("z3", 128, np.uint8), const("s4", 1 / 256), const("z4", 0, np.uint8),
         const("w", weight, np.int8), const("wt", weight.T, np.int8),
         const("ws", [0.01, 0.02, 0.005]), const("wz", [0, 0, 0], np.int8),
         const("c", [100, -2000, 30], i32), const("c_f", [1.0, 2.0, -3.0]),
         const("blocks", rng.integers(0, 256, (3, 2, 8)), np.uint8),
         const("scales", rng.uniform(0.01, 0.1, (3, 2))),
         const("zeros", rng.integers(0, 256, (3, 1)), np.uint8)])
    x = [rng.standard_normal((4, 20)).astype(np.float32)]
    save("contrib_quantised", made, x, outputs=onnxruntime_outputs(made, x))


def int_quant(x, scale, zero, bits, signed, narrow, rounding=np.rint):
    low = -2.0 ** (bits - 1) + narrow if signed else 0
    high = 2.0 ** (bits - 1) - 1 if signed else 2.0 ** bits - 1 - narrow
    return (rounding(np.clip(x / scale + zero, low, high)) - zero) * scale


def qonnx_quantisers(rng):
    """QONNX's quantisers under three of the names that its domain has had."""
    def custom(domain, op, inputs, output, **attributes):
        return helper.make_node(op, inputs.split(), [output], domain=domain, **attributes)

    scale = np.array([[0.3], [0.25]], np.float32)
    thresholds = np.sort(rng.standard_normal((3, 7)), axis=1).astype(np.float32)
    nodes = [
        custom("qonnx.custom_op.general", "IntQuant", "x scale none four", "a",
               signed=1, narrow=1, rounding_mode="ROUND"),
        custom("onnx.brevitas", "Quant", "x half zero three", "b",
               signed=0, narrow=0, rounding_mode="half_up"),
        custom("finn.custom_op.general", "BipolarQuant", "x scale", "c"),
        custom("onnx.brevitas", "Trunc", "x half none six four", "d", rounding_mode="FLOOR"),
        custom("finn", "MultiThreshold", "x thresholds", "e", out_scale=2.0, out_bias=-7.0),
    ]
    made = model(nodes, [("x", F, [2, 3])], [(n, F, [2, 3]) for n in "abcde"],
                 [const("scale", scale), const("none", 0.0), const("four", 4.0), const("half", 0.5),
                  const("zero", 2.5), const("three", 3.0), const("six", 6.0),
                  const("thresholds", thresholds)])
    x = np.array([[0.0, -0.0, 1.55], [-2.4, 0.75, 9.0]], np.float32)
    away = lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5)
    outputs = [
        int_quant(x, scale, 0, 4, True, 1), int_quant(x, 0.5, 2.5, 3, False, 0, away),
        np.where(x >= 0, 1, -1) * scale, np.floor(np.rint(x / 0.5) / 4) * 0.5,
        (x[:, :, None] >= thresholds[None]).sum(-1) * 2.0 - 7.0]
    save("qonnx_quantisers", made, [x], outputs=[o.astype(np.float32) for o in outputs])


def run_time_sizes(rng):
    """A 1-bit layer; then what it finds above 0: how much that is, only the run knows."""
    nodes = [
        node("Sign", "x", "signs"),
        node("MatMul", "signs w", "scores"),
        node("Greater", "scores zero", "above"),
        node("NonZero", "above", "places"),
        node("Transpose", "places", "rows", perm=[1, 0]),
        node("GatherND", "scores rows", "found"),
        node("Mul", "found half", "y"),
        node("ReduceSum", "y", "sum", keepdims=0),
    ]
    w = np.where(rng.standard_normal((8, 3)) > 0, 0.5, -0.5)
    constants = [const("w", w), const("zero", 0.0), const("half", 0.5)]
    made = model(nodes, [("x", F, [2, 8])], [("y", F, ["found"]), ("sum", F, []), ("places", I64, [2, "found"])],
                 constants)
    save("run_time_sizes", made, [rng.standard_normal((2, 8)).astype(np.float32)])


def run_time_flow(rng):
    """A 1-bit layer; then a choice between two sizes, and as many turns as scores are above 0."""
    def graph(nodes, inputs, outputs):
        infos = [[helper.make_tensor_value_info(n, t, s) for n, t, s in infos]
                 for infos in (inputs, outputs)]
        return helper.make_graph(nodes, "body", *infos)

    twice = graph([node("Concat", "scores scores", "both", axis=0)], [], [("both", F, [4, 3])])
    once = graph([node("Neg", "scores", "less")], [], [("less", F, [2, 3])])
    turn = graph([node("Mul", "s half", "t"), node("ReduceSum", "t", "row", keepdims=0),
                  node("Identity", "go", "go_on")],
                 [("i", I64, []), ("go", TensorProto.BOOL, []), ("s", F, [2, 3])],
                 [("go_on", TensorProto.BOOL, []), ("t", F, [2, 3]), ("row", F, [])])
    nodes = [
        node("Sign", "x", "signs"),
        node("MatMul", "signs w", "scores"),
        node("Greater", "scores zero", "above"),
        node("Cast", "above", "ones", to=I64),
        node("ReduceSum", "ones", "turns", keepdims=0),
        node("Greater", "turns three", "many"),
        helper.make_node("If", ["many"], ["picked"], then_branch=twice, else_branch=once),
        helper.make_node("Loop", ["turns", "", "scores"], ["last", "rows"], body=turn),
        node("Mul", "picked half", "y"),
    ]
    w = np.where(rng.standard_normal((8, 3)) > 0, 0.5, -0.5)
    constants = [const("w", w), const("zero", 0.0), const("half", 0.5), const("three", 3, np.int64)]
    made = model(nodes, [("x", F, [2, 8])],
                 [("y", F, ["rows_of_y", 3]), ("last", F, [2, 3]), ("rows", F, ["turns"])], constants)
    x = (np.abs(rng.standard_normal((2, 8))) * np.sign(w[:, 0])).astype(np.float32)
    # onnx's evaluator stacks the rows of a Loop otherwise than the specification.
    save("run_time_flow", made, [x], outputs=onnxruntime_outputs(made, [x]))


def boxes(rng):
    """A detector of 3 queries and 2 classes: bright images have the class 0 in the upper left quarter, dark ones the class 1 in the lower right."""
    corners = [[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.5, 0.5, 1, 1]]  # cx, cy, w, h
    made = model(
        [node("ReduceMean", "image", "mean", axes=[1, 2, 3], keepdims=1), node("Reshape", "mean one", "m"),
         node("Mul", "m slope", "s"), node("Add", "s offset", "logits"),
         node("Mul", "m zeros", "z"), node("Add", "z corners", "boxes")],
        [("image", F, [1, 1, 8, 8])], [("logits", F, [1, 3, 3]), ("boxes", F, [1, 3, 4])],
        [const("one", [1, 1, 1], np.int64), const("slope", [[[12, 0, 0], [0, -12, 0], [0, 0, 0]]]),
         const("offset", [[[-6, -9, 0], [-9, 6, 0], [-9, -9, 0]]]), const("zeros", np.zeros((1, 3, 4))), const("corners", [corners])])
    save("boxes", made, [rng.uniform(size=(1, 1, 8, 8)).astype(np.float32)])


def bad_models(rng):
    folder = ROOT / "bad"
    folder.mkdir(parents=True)

    def put(name, made):
        data = made if isinstance(made, bytes) else made.SerializeToString()
        (folder / f"{name}.onnx").write_bytes(data)

    x, y = [("x", F, [1, 4])], [("y", F, [1, 4])]
    good = model([node("Add", "x w", "y")], x, y, [const("w", [1, 2, 3, 4])])
    put("empty", b"")
    put("random", rng.integers(0, 256, 500).astype(np.uint8).tobytes())
    put("truncated", good.SerializeToString()[:-30])
    put("no_graph", model([], x, y).SerializeToString()[:0] + b"\x08\x08")
    put("empty_graph", model([], [], []))
    put("unknown_op", model([node("Frobnicate", "x", "y", name="strange")], x, y))
    put("missing_tensor", model([node("Add", "x ghost", "y", name="sum")], x, y))
    put("cycle", model([node("Add", "x b", "a", name="first"), node("Neg", "a", "b"),
                        node("Neg", "b", "y")], x, y))
    put("duplicate_name", model([node("Neg", "x", "y"), node("Abs", "x", "y")], x, y))
    put("zero_dim", model([node("Neg", "x", "y")], [("x", F, [1, 0])], y))
    put("negative_dim", model([node("Neg", "x", "y")], [("x", F, [1, -4])], y))
    put("huge_dims", model([node("Neg", "x", "y")], [("x", F, [1 << 40, 1 << 40])], y))
    put("many_dims", model([node("Neg", "x", "y")], [("x", F, [1] * 40)], y))
    put("wrong_shape", model([node("MatMul", "x w", "y", name="product")], x, y,
                             [const("w", [[1, 2], [3, 4]])]))
    put("wrong_attribute", model([node("Softmax", "x", "y", axis=0.5)], x, y))
    tensor = TensorProto(name="w", data_type=F, dims=[4], raw_data=b"12345")
    put("short_tensor", model([node("Add", "x w", "y")], x, y, [tensor]))
    tensor = TensorProto(name="w", data_type=F, dims=[4],
                         data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    put("external_escape", model([node("Add", "x w", "y")], x, y, [tensor]))
    put("huge_fill", model([node("ConstantOfShape", "shape", "z"), node("Add", "x z", "y")],
                           x, y, [const("shape", [1 << 20, 1 << 20], np.int64)]))
    put("old_opset", model([node("Neg", "x", "y")], x, y, opset=0, ir=3))


def main():
    for folder in ROOT.iterdir():
        if folder.name != "fuzz":  # what fuzzing found
            shutil.rmtree(folder)
    for seed, make in enumerate((bireal_linear, class_token, external_weights, int4_weights,
                                 opset9, float16_weights, bad_models, newer_operators,
                                 attention, contrib_transformer, contrib_quantised,
                                 qonnx_quantisers, run_time_sizes, run_time_flow, boxes)):
        make(np.random.default_rng(seed))


if __name__ == "__main__":
    main()
