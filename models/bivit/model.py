"""Bi-ViT on the DeiT backbone (arXiv 2305.12354): a vision transformer whose body has 1-bit weights and activations.

Four linears a block take sign(x) and mean|W_row| * sign(W); q, k, v and the attention probabilities are two-level affine
values per head. Patch embedding, heads, LayerNorm, softmax, GELU and the residual stream stay fp32. A `plain` model is the
same network without any quantiser: the teacher of the training, and what other engines are timed on.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

import quantizers as q


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
}


class Attention(nn.Module):
    def __init__(self, cfg: Config, plain: bool):
        super().__init__()
        self.heads, self.head_dim = cfg.heads, cfg.head_dim
        linear = nn.Linear if plain else q.BinaryLinear
        self.qkv = linear(cfg.dim, 3 * cfg.dim)
        self.proj = linear(cfg.dim, cfg.dim)
        self.norm_q = nn.LayerNorm(cfg.head_dim, eps=1e-5)
        self.norm_k = nn.LayerNorm(cfg.head_dim, eps=1e-5)
        self.quantise = not plain
        if self.quantise:
            self.q_act = q.HeadBinarizer(cfg.heads)
            self.k_act = q.HeadBinarizer(cfg.heads)
            self.v_act = q.HeadBinarizer(cfg.heads)
            self.attn_act = q.HeadBinarizer(cfg.heads, alpha=1 / cfg.tokens, zero_point=-1.0)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        query, key = self.norm_q(query), self.norm_k(key)
        if self.quantise:
            query, key, value = self.q_act(query), self.k_act(key), self.v_act(value)
        scores = (query @ key.transpose(-2, -1)) * self.head_dim**-0.5
        probs = scores.softmax(dim=-1)
        if self.quantise:
            probs = self.attn_act(probs)
        return self.proj((probs @ value).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, cfg: Config, plain: bool):
        super().__init__()
        linear = nn.Linear if plain else q.BinaryLinear
        self.fc1 = linear(cfg.dim, cfg.mlp_ratio * cfg.dim)
        self.fc2 = linear(cfg.mlp_ratio * cfg.dim, cfg.dim)
        self.act = nn.GELU()
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.fc1(x))
        return self.fc2(hidden if self.plain else hidden.clip(-10.0, 10.0))


class Block(nn.Module):
    def __init__(self, cfg: Config, plain: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.attn = Attention(cfg, plain)
        self.norm2 = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.mlp = Mlp(cfg, plain)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class BiVit(nn.Module):
    """Images [B, C, H, W] -> logits [B, classes]; with `both_heads` the pair (class head, distillation head)."""

    def __init__(self, cfg: Config, plain: bool = False):
        super().__init__()
        self.cfg = cfg
        self.both_heads = False
        self.patch_embed = nn.Conv2d(cfg.channels, cfg.dim, cfg.patch, cfg.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, cfg.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, cfg.tokens, cfg.dim))
        self.blocks = nn.ModuleList(Block(cfg, plain) for _ in range(cfg.depth))
        self.norm = nn.LayerNorm(cfg.dim, eps=1e-6)
        self.head = nn.Linear(cfg.dim, cfg.classes)
        if cfg.distilled:
            self.dist_token = nn.Parameter(torch.zeros(1, 1, cfg.dim))
            self.head_dist = nn.Linear(cfg.dim, cfg.classes)
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):  # BinaryLinear is one
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
                nn.init.zeros_(module.bias)
        for token in [self.cls_token, self.pos_embed] + ([self.dist_token] if self.cfg.distilled else []):
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
