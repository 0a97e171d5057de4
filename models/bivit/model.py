"""Bi-ViT on the DeiT backbone (arXiv 2305.12354): a vision transformer whose body has 1-bit weights and activations.

Four linears a block take sign(x) and mean|W_row| * sign(W); q, k, v and the attention probabilities are two-level affine
values per head. Patch embedding, heads, LayerNorm, softmax, GELU and the residual stream stay fp32. A `plain` model is the
same network without any quantiser: the teacher of the training, and what other engines are timed on.
"""

import common  # noqa: F401  (../common)
import quantizers as q
from vit import CONFIGS as ALL_CONFIGS
from vit import AttentionSize, Config, Parts, VisionTransformer

CONFIGS = {name: ALL_CONFIGS[name] for name in ("digits", "deit_tiny", "deit_small")}


def head_binarizer(size: AttentionSize, role: str) -> q.HeadBinarizer:
    if role == "attn":
        return q.HeadBinarizer(size.heads, alpha=1 / size.tokens, zero_point=-1.0)
    return q.HeadBinarizer(size.heads)


class BiVit(VisionTransformer):
    def __init__(self, cfg: Config, plain: bool = False):
        binary = Parts(linear=q.BinaryLinear, attention_act=head_binarizer, clip_gelu=True)
        super().__init__(cfg, Parts() if plain else binary)
