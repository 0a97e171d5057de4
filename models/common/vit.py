"""The DeiT skeleton that every network here shares; a family fills its places with `Parts`.

Left as they are, the parts give the plain float network: the teacher of the training, and what other engines are timed on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image: int
    patch: int
    channels: int
    classes: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: int = 4
    distilled: bool = True

    @property
    def tokens(self) -> int:
        return self.prefix + (self.image // self.patch) ** 2

    @property
    def prefix(self) -> int:
        return 2 if self.distilled else 1

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    def one_head(self) -> "Config":
        return replace(self, distilled=False)


CONFIGS = {
    "digits": Config(28, 4, 1, 10, dim=96, depth=4, heads=3, mlp_ratio=3),
    "deit_tiny": Config(224, 16, 3, 1000, dim=192, depth=12, heads=3),
    "deit_small": Config(224, 16, 3, 1000, dim=384, depth=12, heads=6),
    "deit_base": Config(224, 16, 3, 1000, dim=768, depth=12, heads=12),
}


def float_patch_embed(channels: int, dim: int, patch: int) -> nn.Module:
    return nn.Conv2d(channels, dim, patch, patch)


class AttentionSize(NamedTuple):
    heads: int
    tokens: int  # keys of a query


@dataclass(frozen=True)
class Parts:
    """`attention_act(size, role)` makes the quantiser of "q", "k", "v" or "attn" (the probabilities); None: they stay float.

    Of Swin alone: `window_attention` is a subclass of its WindowAttention, `merging(in, out)` patch merging's linear, which has no
    bias; None: swin.py's own, and `linear`.
    """

    linear: Callable[..., nn.Module] = nn.Linear
    patch_embed: Callable[[int, int, int], nn.Module] = float_patch_embed
    head: Callable[[int, int], nn.Module] = nn.Linear
    attention_act: Callable[[AttentionSize, str], nn.Module] | None = None
    window_attention: type[nn.Module] | None = None
    merging: Callable[[int, int], nn.Module] | None = None
    qk_norm: bool = True
    clip_gelu: bool = False


class Attention(nn.Module):
    def __init__(self, cfg: Config, parts: Parts):
        super().__init__()
        self.heads, self.head_dim = cfg.heads, cfg.head_dim
        self.qkv = parts.linear(cfg.dim, 3 * cfg.dim)
        self.proj = parts.linear(cfg.dim, cfg.dim)
        self.qk_norm = parts.qk_norm
        if self.qk_norm:
            self.norm_q = nn.LayerNorm(cfg.head_dim, eps=1e-5)
            self.norm_k = nn.LayerNorm(cfg.head_dim, eps=1e-5)
        self.quantise = parts.attention_act is not None
        if self.quantise:
            size = AttentionSize(cfg.heads, cfg.tokens)
            self.q_act = parts.attention_act(size, "q")
            self.k_act = parts.attention_act(size, "k")
            self.v_act = parts.attention_act(size, "v")
            self.attn_act = parts.attention_act(size, "attn")

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        if self.qk_norm:
            query, key = self.norm_q(query), self.norm_k(key)
        if self.quantise:
            query, key, value = self.q_act(query), self.k_act(key), self.v_act(value)
        scores = (query @ key.transpose(-2, -1)) * self.head_dim**-0.5
        probs = scores.softmax(dim=-1)
        if self.quantise:
            probs = self.attn_act(probs)
        return self.proj((probs @ value).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, dim: int, ratio: int, parts: Parts):
        super().__init__()
        self.fc1 = parts.linear(dim, ratio * dim)
        self.fc2 = parts.linear(ratio * dim, dim)
        self.act = nn.GELU()
        self.clip_gelu = parts.clip_gelu

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.fc1(x))
        return self.fc2(hidden.clip(-10.0, 10.0) if self.clip_gelu else hidden)


class Block(nn.Module):
    def __init__(self, cfg: Config, parts: Parts):
        super().__init__()
        self.norm1 = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.attn = Attention(cfg, parts)
        self.norm2 = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.mlp = Mlp(cfg.dim, cfg.mlp_ratio, parts)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Images [B, C, H, W] -> logits [B, classes]; with `both_heads` the pair (class head, distillation head)."""

    def __init__(self, cfg: Config, parts: Parts = Parts()):
        super().__init__()
        self.cfg = cfg
        self.both_heads = False
        self.patch_embed = parts.patch_embed(cfg.channels, cfg.dim, cfg.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, cfg.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, cfg.tokens, cfg.dim))
        self.blocks = nn.ModuleList(Block(cfg, parts) for _ in range(cfg.depth))
        self.norm = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.head = parts.head(cfg.dim, cfg.classes)
        if cfg.distilled:
            self.dist_token = nn.Parameter(torch.zeros(1, 1, cfg.dim))
            self.head_dist = parts.head(cfg.dim, cfg.classes)
        init_linears(self)
        for token in [self.cls_token, self.pos_embed] + ([self.dist_token] if cfg.distilled else []):
            nn.init.trunc_normal_(token, std=0.1)

    def features(self, image: Tensor) -> Tensor:
        x = self.patch_embed(image).flatten(2).transpose(1, 2)
        b = x.shape[0]
        prefix = [self.cls_token.expand(b, -1, -1)]
        if self.cfg.distilled:
            prefix.append(self.dist_token.expand(b, -1, -1))
        x = torch.cat((*prefix, x), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, image: Tensor):
        x = self.features(image)
        if not self.cfg.distilled:
            return self.head(x[:, 0])
        cls, dist = self.head(x[:, 0]), self.head_dist(x[:, 1])
        return (cls, dist) if self.both_heads else (cls + dist) / 2


def init_linears(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):  # so are the quantised ones
            nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
