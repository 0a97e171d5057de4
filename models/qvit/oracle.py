"""numpy oracle of Q-ViT: what Bittern computes in the `exact` mode, bit for bit.

A linear with scales per input channel: levels fl((c - Z) * a), one fma chain over ascending k of level * weight code, then
fl(acc * s_row), then fl(. + bias). Where all channels share one scale and zero point (a grey image's patches) the sum is one of
integers and the factor fl(a * s_row). Scales are those of the exported graph, after its gradient-scale residue.
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from exact_vit import AttentionQuantisers, Quantiser, array
from fakequant import gradient_scale, scale_gradient
from quantizers import ActQ, _WeightQ
from tape import Tape, exact_product
from torch import nn
from vit import Attention

f32 = np.float32


def _activation(act: ActQ, shape: tuple[int, ...], broadcast: tuple[int, ...]) -> Quantiser:
    """`shape`: of one example at this quantiser, which the residue depends on."""
    a = array(scale_gradient(act.alpha, gradient_scale(shape, act.high)))
    return Quantiser(a.reshape(broadcast), np.rint(array(act.zero_point)).reshape(broadcast), act.low, act.high)


def _weight(module: _WeightQ) -> tuple[np.ndarray, np.ndarray]:
    """(codes [out, in] as float, row scales)."""
    s = array(scale_gradient(module.alpha, gradient_scale(module.weight.shape, module.high)))
    w = array(module.weight).reshape(len(s), -1)
    return np.rint(np.clip(w / s[:, None], f32(module.low), f32(module.high))), s


class Exact:
    """Family of common/exact_vit.py."""

    def __init__(self, tokens: int):
        self.tokens = tokens

    def linear(self, tape: Tape, name: str, module: nn.Module, x: np.ndarray) -> np.ndarray:
        shape = x.shape if x.shape[0] > 1 else x.shape[1:]  # a head's example is one vector
        act = _activation(module.act, shape, (-1,))
        levels = act.levels(tape.record(f"{name}.codes", act.codes(x)))
        weight, scale = _weight(module)
        return fp32.chain(levels, weight) * scale + array(module.bias)

    def patch_embed(self, tape: Tape, module: nn.Module, patches: np.ndarray) -> np.ndarray:
        count, channels, size = patches.shape
        act = _activation(module.act, (channels, count, size), (1, -1, 1))
        codes = tape.record("patch_embed.codes", act.codes(patches))
        weight, scale = _weight(module)
        if channels == 1:
            acc = tape.record("patch_embed.acc", exact_product(act.shifted(codes).reshape(count, -1), weight.T))
            return acc.astype(f32) * (act.a.reshape(()) * scale) + array(module.bias)
        return fp32.chain(act.levels(codes).reshape(count, -1), weight) * scale + array(module.bias)

    def attention(self, module: Attention) -> AttentionQuantisers:
        values, square = (module.heads, self.tokens, module.head_dim), (module.heads, self.tokens, self.tokens)
        acts = ((module.q_act, values), (module.k_act, values), (module.v_act, values), (module.attn_act, square))
        return AttentionQuantisers(*(_activation(act, shape, (-1, 1, 1)) for act, shape in acts))
