"""numpy oracle of the DeiT skeleton in the exact float arithmetic of kernels/README.md.

A family says how its layers compute (`Family`); this walks the network and records. With N tokens, D channels, H heads, d = D / H,
r the MLP ratio, what is hashed is: the int8 codes of every quantiser, row-major as they stand in the graph (`LAYER.codes`: [N, K] of
a linear's input, [P, C p p] of the patches in (channel, row, column) order, [1, D] of a head's; q.codes, k.codes, v.codes [H, N, d];
probs.codes [H, N, N]), the int32 sums of products of codes less their zero points (`LAYER.acc`, scores.acc [H, N, N], value.acc
[H, N, d]) where both sides are codes of one scale, and in fp32 embedding [N, D], stream [N, D] after each block, logits [classes].
"""

from dataclasses import dataclass
from typing import Protocol

import fp32
import numpy as np
from parameters import array
from tape import Tape, exact_product, write_records
from torch import nn
from vit import Attention, Block, VisionTransformer

f32 = np.float32


@dataclass
class Quantiser:
    """code = clip(round(x / a + z)), or with `zero_last` clip(round(x / a) + z); a and z broadcast against x."""

    a: np.ndarray
    z: np.ndarray
    low: int
    high: int
    zero_last: bool = False

    def codes(self, x: np.ndarray) -> np.ndarray:
        t = x / self.a
        t = np.rint(t) + self.z if self.zero_last else np.rint(t + self.z)
        return np.clip(t, f32(self.low), f32(self.high)).astype(np.uint8 if self.high > 127 else np.int8)

    def shifted(self, codes: np.ndarray) -> np.ndarray:
        return codes.astype(np.int32) - np.rint(self.z).astype(np.int32)

    def levels(self, codes: np.ndarray) -> np.ndarray:
        return (codes.astype(f32) - self.z) * self.a


@dataclass
class AttentionQuantisers:
    """Scales and zero points of shape [H, 1, 1] or []."""

    q: Quantiser
    k: Quantiser
    v: Quantiser
    probs: Quantiser


class Family(Protocol):
    def linear(self, tape: Tape, name: str, module: nn.Module, x: np.ndarray) -> np.ndarray: ...

    def patch_embed(self, tape: Tape, module: nn.Module, patches: np.ndarray) -> np.ndarray: ...

    def attention(self, module: Attention) -> AttentionQuantisers | None: ...


def layer_norm(module: nn.LayerNorm, x: np.ndarray) -> np.ndarray:
    return fp32.layer_norm(x, array(module.weight), array(module.bias), module.eps)


def _attend_codes(tape: Tape, name: str, quantisers: AttentionQuantisers, parts: list[np.ndarray]) -> np.ndarray:
    """score scale = a_q * a_k * d^-0.5, output scale = a_p * a_v, rounded after each product."""
    shifted = []
    for role, quantiser, x in zip("qkv", (quantisers.q, quantisers.k, quantisers.v), parts):
        shifted.append(quantiser.shifted(tape.record(f"{name}.{role}.codes", quantiser.codes(x))))
    query, key, value = shifted
    scale = quantisers.q.a * quantisers.k.a * f32(query.shape[-1] ** -0.5)
    scores = tape.record(f"{name}.scores.acc", exact_product(query, key.transpose(0, 2, 1)))
    probs = fp32.softmax(scores.astype(f32) * scale)
    codes = tape.record(f"{name}.probs.codes", quantisers.probs.codes(probs))
    acc = tape.record(f"{name}.value.acc", exact_product(quantisers.probs.shifted(codes), value))
    return acc.astype(f32) * (quantisers.probs.a * quantisers.v.a)


def _attend_float(parts: list[np.ndarray]) -> np.ndarray:
    query, key, value = parts
    probs = fp32.softmax(fp32.chain(query, key) * f32(query.shape[-1] ** -0.5))
    return fp32.chain(probs, value.transpose(0, 2, 1))


def _attention(tape: Tape, name: str, family: Family, module: Attention, x: np.ndarray) -> np.ndarray:
    n = x.shape[0]
    qkv = family.linear(tape, f"{name}.qkv", module.qkv, x)
    query, key, value = qkv.reshape(n, 3, module.heads, module.head_dim).transpose(1, 2, 0, 3)
    if module.qk_norm:
        query, key = layer_norm(module.norm_q, query), layer_norm(module.norm_k, key)
    quantisers = family.attention(module)
    parts = [query, key, value]
    out = _attend_codes(tape, name, quantisers, parts) if quantisers else _attend_float(parts)
    return family.linear(tape, f"{name}.proj", module.proj, out.transpose(1, 0, 2).reshape(n, -1))


def _block(tape: Tape, name: str, family: Family, module: Block, x: np.ndarray) -> np.ndarray:
    x = x + _attention(tape, name, family, module.attn, layer_norm(module.norm1, x))
    hidden = fp32.gelu(family.linear(tape, f"{name}.fc1", module.mlp.fc1, layer_norm(module.norm2, x)))
    if module.mlp.clip_gelu:
        hidden = np.clip(hidden, f32(-10), f32(10))
    return tape.record(f"{name}.stream", x + family.linear(tape, f"{name}.fc2", module.mlp.fc2, hidden))


def run(model: VisionTransformer, family: Family, image: np.ndarray, tape: Tape) -> np.ndarray:
    """image [C, H, W] float32, normalised -> logits [classes]."""
    cfg, patch, side = model.cfg, model.cfg.patch, model.cfg.image // model.cfg.patch
    patches = image.reshape(cfg.channels, side, patch, side, patch).transpose(1, 3, 0, 2, 4).reshape(side * side, cfg.channels, -1)
    tokens = [model.cls_token, model.dist_token] if cfg.distilled else [model.cls_token]
    x = np.concatenate([array(token)[0] for token in tokens] + [family.patch_embed(tape, model.patch_embed, patches)])
    x = tape.record("embedding", x + array(model.pos_embed)[0])
    for i, block in enumerate(model.blocks):
        x = _block(tape, f"block{i}", family, block, x)
    x = layer_norm(model.norm, x)
    out = family.linear(tape, "head", model.head, x[:1])[0]
    if cfg.distilled:
        out = (out + family.linear(tape, "head_dist", model.head_dist, x[1:2])[0]) / f32(2)
    return tape.record("logits", out)


def report(model: VisionTransformer, family: Family, images: np.ndarray) -> list[dict]:
    return write_records(lambda image, tape: run(model, family, image, tape), images)
