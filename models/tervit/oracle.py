"""numpy oracle of TerViT on DeiT, bit for bit.

A ternary row: delta = fl(fl(S / n) * 0.7) with S the row sum of |w|, alpha = fl(row sum of the kept |w| / their number).
static: y = fl(float(acc) * fl(a * alpha_row)), acc the integer sum of (c - z) * weight code; then fl(y + bias).
dynamic: a token's factor is s = fl(127 * fl(1 / max|x|)), its codes round(fl(x * s)); y = fl(float(acc) * fl(alpha_row * fl(1 / s))).
Patch embedding and head: 8-bit weight codes with s_row = fl(max|w| / 127) in the place of alpha; where the input is float (the
patches of `dynamic`), one fma chain of x * code, then the row's scale.
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from exact_vit import AttentionQuantisers, Quantiser, array
from quantizers import ACT_HIGH, ACT_LOW, WEIGHT_CLIP, StaticAct, TernaryLinear
from tape import Tape, exact_product
from torch import nn
from vit import Attention

f32 = np.float32


def _static(act: StaticAct) -> Quantiser:
    return Quantiser(array(act.scale), array(act.zero_point), ACT_LOW, ACT_HIGH, zero_last=True)


def _ternary(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w = np.clip(w, f32(-WEIGHT_CLIP), f32(WEIGHT_CLIP))
    magnitude = np.abs(w)
    delta = fp32.row_sum(magnitude) / f32(w.shape[1]) * f32(0.7)
    kept = (magnitude > delta[:, None]).astype(f32)
    return np.sign(w) * kept, fp32.row_sum(kept * magnitude) / fp32.row_sum(kept)


def _eight_bit(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    s = np.abs(w).max(axis=1) / f32(ACT_HIGH)
    return np.rint(w / s[:, None]), s


class Exact:
    """Family of common/exact_vit.py, for activations `static` or `dynamic`."""

    def __init__(self, variant: str):
        self.variant = variant

    def linear(self, tape: Tape, name: str, module: nn.Module, x: np.ndarray) -> np.ndarray:
        weight, scale = (_ternary if isinstance(module, TernaryLinear) else _eight_bit)(array(module.weight))
        if self.variant == "static":
            act = _static(module.act)
            shifted, factor = act.shifted(tape.record(f"{name}.codes", act.codes(x))), act.a * scale
        else:
            largest = np.maximum(np.abs(x).max(axis=-1, keepdims=True), f32(1e-5))
            s = f32(1) / largest * f32(ACT_HIGH)
            shifted = tape.record(f"{name}.codes", np.rint(x * s).astype(np.int8))
            factor = scale * (f32(1) / s)
        acc = tape.record(f"{name}.acc", exact_product(shifted, weight.T))
        return acc.astype(f32) * factor + array(module.bias)

    def patch_embed(self, tape: Tape, module: nn.Module, patches: np.ndarray) -> np.ndarray:
        x = patches.reshape(patches.shape[0], -1)
        weight, scale = _eight_bit(array(module.weight).reshape(len(module.bias), -1))
        if self.variant == "static":
            act = _static(module.act)
            codes = tape.record("patch_embed.codes", act.codes(x))
            acc = tape.record("patch_embed.acc", exact_product(act.shifted(codes), weight.T))
            return acc.astype(f32) * (act.a * scale) + array(module.bias)
        return fp32.chain(x, weight) * scale + array(module.bias)

    def attention(self, module: Attention) -> AttentionQuantisers | None:
        if self.variant != "static":
            return None
        return AttentionQuantisers(*(_static(act) for act in (module.q_act, module.k_act, module.v_act, module.attn_act)))
