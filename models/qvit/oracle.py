"""numpy oracle of Q-ViT: what Bittern computes in the `exact` mode, bit for bit.

A linear with scales per input channel: levels fl((c - Z) * a), one fma chain over ascending k of level * weight code, then
fl(acc * s_row), then fl(. + bias). Where all channels share one scale and zero point (a grey image's patches) the sum is one of
integers and the factor fl(a * s_row). Scales are those of the exported graph, after its gradient-scale residue.
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from exact_vit import AttentionQuantisers
from lsq import ActQ
from lsq_oracle import activation, weight
from parameters import array
from tape import Tape, exact_product
from torch import nn
from vit import Attention

f32 = np.float32


class Exact:
    """Family of common/exact_vit.py."""

    def __init__(self, tokens: int):
        self.tokens = tokens

    def linear(self, tape: Tape, name: str, module: nn.Module, x: np.ndarray) -> np.ndarray:
        shape = x.shape if x.shape[0] > 1 else x.shape[1:]  # a head's example is one vector
        act = activation(module.act, shape, (-1,))
        levels = act.levels(tape.record(f"{name}.codes", act.codes(x)))
        rows, scale = weight(module)
        return fp32.chain(levels, rows) * scale + array(module.bias)

    def patch_embed(self, tape: Tape, module: nn.Module, patches: np.ndarray) -> np.ndarray:
        count, channels, size = patches.shape
        act = activation(module.act, (channels, count, size), (1, -1, 1))
        codes = tape.record("patch_embed.codes", act.codes(patches))
        rows, scale = weight(module)
        if channels == 1:
            acc = tape.record("patch_embed.acc", exact_product(act.shifted(codes).reshape(count, -1), rows.T))
            return acc.astype(f32) * (act.a.reshape(()) * scale) + array(module.bias)
        return fp32.chain(act.levels(codes).reshape(count, -1), rows) * scale + array(module.bias)

    def attention(self, module: Attention) -> AttentionQuantisers:
        values, square = (module.heads, self.tokens, module.head_dim), (module.heads, self.tokens, self.tokens)
        acts = ((module.q_act, values), (module.k_act, values), (module.v_act, values), (module.attn_act, square))
        return AttentionQuantisers(*(activation(act, shape, (-1, 1, 1)) for act, shape in acts))
