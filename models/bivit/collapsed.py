"""The collapsed form of a Bi-ViT: what the network means once the training residue is gone.

A naive export keeps weights at s*sign(W) -+ a few ulp, so a sum that is truly 0 comes out as +-1e-8, and sign() of that noise
is random. Collapsed: weight codes and activation codes are integers, products of them are integer sums, each followed by one
multiplication by a constant, and Sign(0) = 0. `collapse` takes the numbers out of a model; `to_onnx` writes them as a float
graph that any ONNX runtime executes with exact sums (all stay far below 2^24).
"""

from dataclasses import dataclass

import common  # noqa: F401  (../common)
import fp32
import numpy as np
import onnx
from model import BiVit
from onnx import TensorProto, helper, numpy_helper
from vit import Config

f32 = np.float32


@dataclass
class Norm:
    gamma: np.ndarray
    beta: np.ndarray
    eps: float


@dataclass
class Linear1:
    codes: np.ndarray  # int8 [out, in], sign(W)
    scale: np.ndarray  # f32 [out], mean|W_row|


@dataclass
class Affine:
    a: np.ndarray  # f32 [heads]
    z: np.ndarray  # i32 [heads]


@dataclass
class CollapsedBlock:
    norm1: Norm
    qkv: Linear1
    norm_q: Norm
    norm_k: Norm
    q: Affine
    k: Affine
    v: Affine
    probs: Affine
    proj: Linear1
    norm2: Norm
    fc1: Linear1
    fc2: Linear1


@dataclass
class Collapsed:
    cfg: Config
    patch_weight: np.ndarray
    patch_bias: np.ndarray
    prefix: np.ndarray  # [1 or 2, dim]: class token, distillation token
    pos_embed: np.ndarray  # [tokens, dim]
    blocks: list[CollapsedBlock]
    norm: Norm
    heads: list[tuple[np.ndarray, np.ndarray]]  # (weight [classes, dim], bias)

    def score_scale(self, block: CollapsedBlock) -> np.ndarray:
        """f = a_q * a_k * d^-0.5 of each head, rounded after each product."""
        return (block.q.a * block.k.a) * f32(self.cfg.head_dim**-0.5)

    @staticmethod
    def value_scale(block: CollapsedBlock) -> np.ndarray:
        return block.probs.a * block.v.a


def collapse(model: BiVit) -> Collapsed:
    def array(t) -> np.ndarray:
        return t.detach().numpy().astype(f32)

    def norm(m) -> Norm:
        return Norm(array(m.weight), array(m.bias), m.eps)

    def linear(m) -> Linear1:
        w = array(m.weight)
        return Linear1(np.sign(w).astype(np.int8), fp32.row_sum(np.abs(w)) / f32(w.shape[1]))

    def affine(m) -> Affine:
        return Affine(array(m.alpha), np.rint(array(m.zero_point)).astype(np.int32))

    blocks = [
        CollapsedBlock(
            norm(b.norm1), linear(b.attn.qkv), norm(b.attn.norm_q), norm(b.attn.norm_k),
            affine(b.attn.q_act), affine(b.attn.k_act), affine(b.attn.v_act), affine(b.attn.attn_act),
            linear(b.attn.proj), norm(b.norm2), linear(b.mlp.fc1), linear(b.mlp.fc2),
        )
        for b in model.blocks
    ]
    tokens, heads = [model.cls_token], [model.head]
    if model.cfg.distilled:
        tokens.append(model.dist_token)
        heads.append(model.head_dist)
    return Collapsed(
        model.cfg, array(model.patch_embed.weight), array(model.patch_embed.bias),
        np.concatenate([array(t)[0] for t in tokens]), array(model.pos_embed)[0], blocks, norm(model.norm),
        [(array(h.weight), array(h.bias)) for h in heads],
    )


class _Graph:
    """Appends nodes; every method returns the name of the value it made."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def const(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, name: str | None = None, **attributes):
        self.count += 1
        stem = name or f"{kind.lower()}_{self.count}"
        names = [stem] if outputs == 1 else [f"{stem}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=stem, **attributes))
        return names[0] if outputs == 1 else names

    def norm(self, x: str, p: Norm, name: str) -> str:
        gamma, beta = self.const(f"{name}.gamma", p.gamma), self.const(f"{name}.beta", p.beta)
        return self.op("LayerNormalization", x, gamma, beta, name=name, axis=-1, epsilon=p.eps)

    def linear(self, x: str, p: Linear1, name: str) -> str:
        codes = self.op("Sign", x, name=f"{name}.input_codes")
        weight = self.const(f"{name}.weight_codes", p.codes.T.astype(f32))
        acc = self.op("MatMul", codes, weight, name=f"{name}.acc")
        return self.op("Mul", acc, self.const(f"{name}.scale", p.scale), name=f"{name}.out")

    def affine(self, x: str, p: Affine, name: str) -> str:
        """The integer code minus Z, as a float."""
        a = self.const(f"{name}.a", p.a.reshape(1, -1, 1, 1))
        z = self.const(f"{name}.z", p.z.astype(f32).reshape(1, -1, 1, 1))
        shifted = self.op("Add", self.op("Div", x, a), z)
        code = self.op("Sign", self.op("Clip", shifted, "minus_one", "one"), name=f"{name}.codes")
        return self.op("Sub", code, z)

    def gelu(self, x: str) -> str:
        w = self.op("Add", self.op("Erf", self.op("Div", x, "sqrt_two")), "one")
        return self.op("Clip", self.op("Mul", self.op("Mul", x, w), "half"), "minus_ten", "ten")


def _attention(g: _Graph, model: Collapsed, p: CollapsedBlock, x: str, name: str) -> str:
    cfg = model.cfg
    qkv = g.op("Reshape", g.linear(x, p.qkv, f"{name}.qkv"), "split_shape")
    parts = g.op("Split", g.op("Transpose", qkv, perm=[2, 0, 3, 1, 4]), "split_sizes", outputs=3, name=f"{name}.split", axis=0)
    query, key, value = (g.op("Squeeze", part, "axis_0") for part in parts)
    query = g.affine(g.norm(query, p.norm_q, f"{name}.norm_q"), p.q, f"{name}.q")
    key = g.affine(g.norm(key, p.norm_k, f"{name}.norm_k"), p.k, f"{name}.k")
    value = g.affine(value, p.v, f"{name}.v")
    scores = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 1, 3, 2]), name=f"{name}.scores.acc")
    scale = g.const(f"{name}.scores.scale", model.score_scale(p).reshape(1, cfg.heads, 1, 1))
    probs = g.op("Softmax", g.op("Mul", scores, scale), axis=-1)
    probs = g.affine(probs, p.probs, f"{name}.probs")
    out = g.op("MatMul", probs, value, name=f"{name}.value.acc")
    scale = g.const(f"{name}.value.scale", model.value_scale(p).reshape(1, cfg.heads, 1, 1))
    merged = g.op("Transpose", g.op("Mul", out, scale), perm=[0, 2, 1, 3])
    return g.linear(g.op("Reshape", merged, "merge_shape"), p.proj, f"{name}.proj")


def to_onnx(model: Collapsed) -> onnx.ModelProto:
    cfg, g = model.cfg, _Graph()
    n, side = cfg.tokens, cfg.image // cfg.patch
    for name, value in (("one", 1), ("minus_one", -1), ("half", 0.5), ("ten", 10), ("minus_ten", -10), ("sqrt_two", 2**0.5)):
        g.const(name, np.array(value, f32))
    for name, shape in (
        ("split_shape", [1, n, 3, cfg.heads, cfg.head_dim]), ("merge_shape", [1, n, cfg.dim]), ("patch_shape", [1, cfg.dim, side * side]),
        ("split_sizes", [1, 1, 1]), ("axis_0", [0]),
    ):
        g.const(name, np.array(shape, np.int64))

    weight, bias = g.const("patch_embed.weight", model.patch_weight), g.const("patch_embed.bias", model.patch_bias)
    x = g.op("Conv", "image", weight, bias, name="patch_embed", kernel_shape=[cfg.patch] * 2, strides=[cfg.patch] * 2)
    x = g.op("Transpose", g.op("Reshape", x, "patch_shape"), perm=[0, 2, 1])
    x = g.op("Concat", g.const("prefix", model.prefix[None]), x, axis=1)
    x = g.op("Add", x, g.const("pos_embed", model.pos_embed[None]))
    for i, p in enumerate(model.blocks):
        name = f"block{i}"
        x = g.op("Add", x, _attention(g, model, p, g.norm(x, p.norm1, f"{name}.norm1"), name), name=f"{name}.mid")
        hidden = g.gelu(g.linear(g.norm(x, p.norm2, f"{name}.norm2"), p.fc1, f"{name}.fc1"))
        x = g.op("Add", x, g.linear(hidden, p.fc2, f"{name}.fc2"), name=f"{name}.out")
    x = g.norm(x, model.norm, "norm")
    logits = []
    for i, (weight, bias) in enumerate(model.heads):
        token = g.op("Gather", x, g.const(f"token_{i}", np.array(i, np.int64)), axis=1)
        logits.append(g.op("Gemm", token, g.const(f"head{i}.weight", weight), g.const(f"head{i}.bias", bias), transB=1, name=f"head{i}"))
    if len(logits) == 2:
        g.op("Mul", g.op("Add", *logits), "half", name="logits")
    else:
        g.op("Identity", logits[0], name="logits")

    graph = helper.make_graph(
        g.nodes, "bivit_collapsed",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, cfg.channels, cfg.image, cfg.image])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, cfg.classes])], g.constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="bittern models/bivit", ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    return proto
