"""TerViT (arXiv 2201.08050) on DeiT and Swin: ternary weights per output channel, 8-bit activations.

All linears of the body, patch merging included, are ternary; patch embedding and head have 8-bit weights. The paper leaves the
activation quantiser open, so there are three: `static` (one affine scale a tensor, also around q, k, v and the probabilities),
`dynamic` (the inputs of the linears, a scale per token; the attention products stay float) and `float`. `plain` is the float
network. LayerNorm, softmax, GELU, biases, the relative position bias and the residual stream stay fp32.
"""

from dataclasses import replace
from functools import partial

import common  # noqa: F401  (../common)
from quantizers import ACTS, Linear8, PatchEmbed8, StaticAct, TernaryLinear
from swin import SWIN_CONFIGS, SwinConfig, SwinTransformer
from torch import nn
from vit import CONFIGS as DEIT_CONFIGS
from vit import Config, Parts, VisionTransformer

CONFIGS = {name: cfg.one_head() for name, cfg in DEIT_CONFIGS.items() if name in ("digits", "deit_small")} | SWIN_CONFIGS
VARIANTS = (*ACTS, "plain")


def parts(variant: str) -> Parts:
    if variant == "plain":
        return Parts(qk_norm=False)
    return Parts(
        linear=partial(TernaryLinear, act=variant),
        patch_embed=partial(PatchEmbed8, act=variant),
        head=partial(Linear8, act=variant),
        attention_act=(lambda size, role: StaticAct()) if variant == "static" else None,
        qk_norm=False,
    )


def tervit(cfg: Config | SwinConfig, variant: str) -> nn.Module:
    network = SwinTransformer if isinstance(cfg, SwinConfig) else VisionTransformer
    return network(cfg, parts(variant))


def distilled(cfg: Config) -> Config:
    return replace(cfg, distilled=True)
