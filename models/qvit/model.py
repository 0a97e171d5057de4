"""Q-ViT on the DeiT backbone (arXiv 2210.06707): weights and activations of 4, 3 or 2 bits, first and last layers of 8.

Linears have an activation scale and zero point per input channel and a weight scale per row; q, k, v and the attention
probabilities have one of each per head. norm_q and norm_k are the method's information rectification. LayerNorm, softmax,
GELU, biases and the residual stream stay fp32. Without bits the network is plain: float, no quantiser.
"""

from functools import partial

import common  # noqa: F401  (../common)
from lsq import ActQ, LinearQ
from quantizers import PatchEmbedQ
from vit import Config, Parts, VisionTransformer

EDGE_BITS = 8
WIDTHS = (4, 3, 2)


def parts(bits: int) -> Parts:
    return Parts(
        linear=partial(LinearQ, bits=bits),
        patch_embed=partial(PatchEmbedQ, bits=EDGE_BITS),
        head=partial(LinearQ, bits=EDGE_BITS),
        attention_act=lambda size, role: ActQ(bits, size.heads, signed=role != "attn"),
        clip_gelu=True,
    )


def qvit(cfg: Config, bits: int | None) -> VisionTransformer:
    return VisionTransformer(cfg, parts(bits) if bits else Parts())
