"""The Swin skeleton: windows of 7x7 tokens, shifted on odd blocks, patch merging between stages.

Places are filled with the same `Parts` as the DeiT skeleton; without them it is the plain float network.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from vit import AttentionSize, Mlp, Parts, init_linears


@dataclass(frozen=True)
class SwinConfig:
    image: int
    patch: int
    channels: int
    classes: int
    dim: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int = 7
    mlp_ratio: int = 4
    distilled: bool = False


SWIN_CONFIGS = {
    "swin_digits": SwinConfig(28, 2, 1, 10, dim=48, depths=(2, 2), heads=(2, 4), mlp_ratio=3),
    "swin_tiny": SwinConfig(224, 4, 3, 1000, dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24)),
    "swin_small": SwinConfig(224, 4, 3, 1000, dim=96, depths=(2, 2, 18, 2), heads=(3, 6, 12, 24)),
}


def to_windows(x: Tensor, window: int) -> Tensor:
    """[B, H, W, C] -> [B * windows, window^2, C]."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, window * window, c)


def from_windows(windows: Tensor, window: int, side: int) -> Tensor:
    """[B * windows, window^2, C] -> [B, side, side, C]."""
    count, c = side // window, windows.shape[-1]
    x = windows.view(-1, count, count, window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, side, side, c)


def relative_positions(window: int) -> Tensor:
    """Index into the bias table for every pair of tokens of a window: [window^2, window^2]."""
    ys, xs = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    points = torch.stack((ys.flatten(), xs.flatten()))
    dy, dx = points[:, :, None] - points[:, None, :] + (window - 1)
    return dy * (2 * window - 1) + dx


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """0 where two tokens of a rolled window were neighbours before the roll, else -100: [windows, window^2, window^2]."""
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    region = torch.zeros(1, side, side, 1)
    for i, rows in enumerate(cuts):
        for j, columns in enumerate(cuts):
            region[:, rows, columns] = 3 * i + j
    region = to_windows(region, window).squeeze(-1)
    return (region[:, None, :] != region[:, :, None]) * -100.0


class WindowAttention(nn.Module):
    def __init__(self, dim: int, heads: int, window: int, parts: Parts):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.5)
        self.register_buffer("relative_position_index", relative_positions(window), persistent=False)
        self.qkv = parts.linear(dim, 3 * dim)
        self.proj = parts.linear(dim, dim)
        self.quantise = parts.attention_act is not None
        if self.quantise:
            size = AttentionSize(heads, window * window)
            self.q_act = parts.attention_act(size, "q")
            self.k_act = parts.attention_act(size, "k")
            self.v_act = parts.attention_act(size, "v")
            self.attn_act = parts.attention_act(size, "attn")

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """[B * windows, heads, N, d] twice -> [B * windows, heads, N, N]."""
        return (query * self.scale) @ key.transpose(-2, -1)

    def mix(self, probs: Tensor, value: Tensor) -> Tensor:
        return probs @ value

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        if self.quantise:
            query, key, value = self.q_act(query), self.k_act(key), self.v_act(value)
        scores = self.scores(query, key)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        scores = scores + bias.view(n, n, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            windows = mask.shape[0]
            scores = scores.view(-1, windows, self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, n, n)
        probs = scores.softmax(dim=-1)
        if self.quantise:
            probs = self.attn_act(probs)
        return self.proj(self.mix(probs, value).transpose(1, 2).reshape(b, n, c))


class SwinBlock(nn.Module):
    def __init__(self, cfg: SwinConfig, dim: int, heads: int, side: int, shifted: bool, parts: Parts):
        super().__init__()
        self.side, self.window = side, cfg.window
        self.shift = cfg.window // 2 if shifted and side > cfg.window else 0
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.attn = (parts.window_attention or WindowAttention)(dim, heads, cfg.window, parts)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.mlp = Mlp(dim, cfg.mlp_ratio, parts)
        mask = shift_mask(side, cfg.window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens, c = x.shape[1:]
        grid = self.norm1(x).view(-1, self.side, self.side, c)
        if self.shift:
            grid = torch.roll(grid, (-self.shift, -self.shift), (1, 2))
        windows = self.attn(to_windows(grid, self.window), self.mask)
        grid = from_windows(windows, self.window, self.side)
        if self.shift:
            grid = torch.roll(grid, (self.shift, self.shift), (1, 2))
        x = x + grid.view(-1, tokens, c)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """The four tokens of each 2x2 square side by side, normalised, 4C -> 2C."""

    def __init__(self, dim: int, side: int, parts: Parts):
        super().__init__()
        self.side = side
        self.norm = nn.LayerNorm(4 * dim, eps=1e-5)
        merging = parts.merging or partial(parts.linear, bias=False)
        self.reduction = merging(4 * dim, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        c = x.shape[2]
        x = x.view(-1, self.side, self.side, c)
        quarters = x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]
        x = torch.cat(quarters, -1).view(-1, self.side * self.side // 4, 4 * c)
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    def __init__(self, cfg: SwinConfig, index: int, dim: int, side: int, parts: Parts):
        super().__init__()
        heads = cfg.heads[index]
        self.blocks = nn.ModuleList(SwinBlock(cfg, dim, heads, side, i % 2 == 1, parts) for i in range(cfg.depths[index]))
        self.downsample = PatchMerging(dim, side, parts) if index + 1 < len(cfg.depths) else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class SwinTransformer(nn.Module):
    """Images [B, C, H, W] -> logits [B, classes]."""

    def __init__(self, cfg: SwinConfig, parts: Parts = Parts()):
        super().__init__()
        self.cfg = cfg
        self.patch_embed = parts.patch_embed(cfg.channels, cfg.dim, cfg.patch)
        self.patch_norm = nn.LayerNorm(cfg.dim, eps=1e-5)
        side = cfg.image // cfg.patch
        self.layers = nn.ModuleList(
            Stage(cfg, i, cfg.dim << i, side >> i, parts) for i in range(len(cfg.depths))
        )
        last = cfg.dim << (len(cfg.depths) - 1)
        self.norm = nn.LayerNorm(last, eps=1e-5)
        self.head = parts.head(last, cfg.classes)
        init_linears(self)

    @property
    def blocks(self) -> list[SwinBlock]:
        return [block for layer in self.layers for block in layer.blocks]

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_norm(self.patch_embed(image).flatten(2).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        x = nn.functional.adaptive_avg_pool1d(x.transpose(1, 2), 1).flatten(1)
        return self.head(x)
