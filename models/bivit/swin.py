"""Bi-ViT on the Swin backbone: binary linears, two-level affine q, k, v and probabilities, windows of 7 x 7 tokens.

As in DeiT, patch embedding, head, LayerNorm, softmax, GELU, residual stream, relative position bias and masks stay fp32.
PatchMerging's linear binarises with a scale per input channel (`ChannelBinaryLinear`); q is scaled after its quantiser.

`collapse` turns a model into its collapsed form: integer codes and sums with one factor per head or row behind them, and
Sign(0) = 0 (README.md). Both forms are exported from the same modules.
"""

from dataclasses import dataclass
from pathlib import Path

import calibrate
import common  # noqa: F401  (../common)
import numpy as np
import quantizers as q
import torch
from images import random_images, randomise_norms
from onnx_export import torchscript_export
from torch import Tensor, nn

MASKED = -100.0


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

    def grid(self, stage: int) -> int:
        return self.image // self.patch // 2**stage


class ChannelBinaryLinear(nn.Module):
    """y = xb @ (s * sign(W))^T, xb = (sign(clip(x / a + Z, -1, 1)) - Z) * a, with a, Z for each input channel, s for each row."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.weight_scale = nn.Parameter(torch.empty(out_features, 1))
        self.alpha = nn.Parameter(torch.ones(in_features))
        self.zero_point = nn.Parameter(torch.zeros(in_features))
        nn.init.trunc_normal_(self.weight, std=in_features**-0.5)
        with torch.no_grad():
            self.weight_scale.copy_(self.weight.abs().mean(dim=1, keepdim=True))

        self.collapsed = False

    def forward(self, x: Tensor) -> Tensor:
        if self.collapsed:
            levels = (torch.sign(x / self.alpha + self.zero_point) - self.zero_point) * self.alpha
            return (levels @ torch.sign(self.weight / self.weight_scale).t()) * self.weight_scale.t()
        clipped = torch.clip(self.weight / self.weight_scale, -1.0, 1.0)
        weight = (torch.sign(clipped).detach() - clipped.detach() + clipped) * self.weight_scale
        z = torch.round(self.zero_point).detach() - self.zero_point.detach() + self.zero_point
        shifted = torch.clip(x / self.alpha + z, -1.0, 1.0)
        codes = torch.sign(shifted).detach() - shifted.detach() + shifted
        return ((codes - z) * self.alpha) @ weight.t()


def window_partition(x: Tensor, window: int) -> Tensor:
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, c)


def window_reverse(windows: Tensor, window: int, h: int, w: int) -> Tensor:
    c = windows.shape[-1]
    x = windows.view(-1, h // window, w // window, window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


def relative_index(window: int) -> Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    distance = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0) + (window - 1)
    return distance[..., 0] * (2 * window - 1) + distance[..., 1]


def shift_mask(grid: int, window: int, shift: int) -> Tensor:
    """[windows, N, N]: 0 between tokens of one region of the rolled image, MASKED between those of two."""
    regions = torch.zeros(1, grid, grid, 1)
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(cuts):
        for j, columns in enumerate(cuts):
            regions[:, rows, columns] = 3 * i + j
    tokens = window_partition(regions, window).squeeze(-1)
    return torch.where(tokens[:, None, :] == tokens[:, :, None], 0.0, MASKED)


class WindowAttention(nn.Module):
    def __init__(self, dim: int, heads: int, window: int, plain: bool):
        super().__init__()
        self.heads, self.head_dim, self.tokens = heads, dim // heads, window * window
        linear = nn.Linear if plain else q.BinaryLinear
        self.qkv, self.proj = linear(dim, 3 * dim), linear(dim, dim)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.3)
        self.register_buffer("index", relative_index(window), persistent=False)
        self.quantise, self.collapsed = not plain, False
        if self.quantise:
            self.q_act, self.k_act, self.v_act = (q.HeadBinarizer(heads) for _ in range(3))
            self.attn_act = q.HeadBinarizer(heads, alpha=1 / self.tokens, zero_point=-1.0)

    def quantised(self, act: str, x: Tensor) -> Tensor:
        """What the quantiser makes of x; collapsed, without its scale, which `scale` then has."""
        if not self.quantise:
            return x
        binarizer = getattr(self, act)
        if not self.collapsed:
            return binarizer(x)
        a, z = (p.view(1, self.heads, 1, 1) for p in (binarizer.alpha, binarizer.zero_point))
        return torch.sign(x / a + z) - z

    def scale(self, first: str, second: str) -> Tensor:
        return (getattr(self, first).alpha * getattr(self, second).alpha).view(1, self.heads, 1, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        windows, n, c = x.shape
        qkv = self.qkv(x).reshape(windows, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = (self.quantised(act, part) for act, part in zip(("q_act", "k_act", "v_act"), qkv))
        if self.collapsed:
            scores = (query @ key.transpose(-2, -1)) * (self.scale("q_act", "k_act") * self.head_dim**-0.5)
        else:
            scores = (query * self.head_dim**-0.5) @ key.transpose(-2, -1)
        bias = self.bias_table[self.index.view(-1)].view(n, n, self.heads).permute(2, 0, 1)
        scores = scores + bias.unsqueeze(0)
        if mask is not None:
            count = mask.shape[0]
            scores = scores.view(windows // count, count, self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, n, n)
        result = self.quantised("attn_act", scores.softmax(dim=-1)) @ value
        if self.collapsed:
            result = result * self.scale("attn_act", "v_act")
        return self.proj(result.transpose(1, 2).reshape(windows, n, c))


class SwinMlp(nn.Module):
    def __init__(self, dim: int, hidden: int, plain: bool):
        super().__init__()
        linear = nn.Linear if plain else q.BinaryLinear
        self.fc1, self.fc2 = linear(dim, hidden), linear(hidden, dim)
        self.act = nn.GELU()
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.fc1(x))
        return self.fc2(hidden if self.plain else hidden.clip(-10.0, 10.0))


class SwinBlock(nn.Module):
    def __init__(self, cfg: SwinConfig, stage: int, shifted: bool, plain: bool):
        super().__init__()
        dim = cfg.dim * 2**stage
        self.grid, self.window = cfg.grid(stage), cfg.window
        self.shift = cfg.window // 2 if shifted and self.grid > cfg.window else 0
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-5), nn.LayerNorm(dim, eps=1e-5)
        self.attn = WindowAttention(dim, cfg.heads[stage], cfg.window, plain)
        self.mlp = SwinMlp(dim, cfg.mlp_ratio * dim, plain)
        mask = shift_mask(self.grid, self.window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        windows = self.norm1(x).view(b, self.grid, self.grid, c)
        if self.shift:
            windows = torch.roll(windows, (-self.shift, -self.shift), (1, 2))
        windows = self.attn(window_partition(windows, self.window), self.mask)
        back = window_reverse(windows, self.window, self.grid, self.grid)
        if self.shift:
            back = torch.roll(back, (self.shift, self.shift), (1, 2))
        x = x + back.reshape(b, n, c)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, grid: int, dim: int, plain: bool):
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(4 * dim, eps=1e-5)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False) if plain else ChannelBinaryLinear(4 * dim, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        b, _, c = x.shape
        x = x.view(b, self.grid, self.grid, c)
        parts = [x[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))]
        return self.reduction(self.norm(torch.cat(parts, -1).view(b, -1, 4 * c)))


class BiSwin(nn.Module):
    """Images [B, C, H, W] -> logits [B, classes]."""

    def __init__(self, cfg: SwinConfig, plain: bool = False):
        super().__init__()
        self.cfg = cfg
        self.patch_embed = nn.Conv2d(cfg.channels, cfg.dim, cfg.patch, cfg.patch)
        self.patch_norm = nn.LayerNorm(cfg.dim, eps=1e-5)
        layers = []
        for stage, depth in enumerate(cfg.depths):
            layers += [SwinBlock(cfg, stage, i % 2 == 1, plain) for i in range(depth)]
            if stage + 1 < len(cfg.depths):
                layers.append(PatchMerging(cfg.grid(stage), cfg.dim * 2**stage, plain))
        self.layers = nn.ModuleList(layers)
        last = cfg.dim * 2 ** (len(cfg.depths) - 1)
        self.norm = nn.LayerNorm(last, eps=1e-5)
        self.head = nn.Linear(last, cfg.classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def blocks(self) -> list[SwinBlock]:
        return [layer for layer in self.layers if isinstance(layer, SwinBlock)]

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_norm(self.patch_embed(image).flatten(2).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).transpose(1, 2).mean(dim=-1))


CONFIGS = {
    "swin_digits": SwinConfig(28, 1, 1, 10, dim=32, depths=(2, 2), heads=(1, 2)),
    "swin_tiny": SwinConfig(224, 4, 3, 1000, dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24)),
}


def _set_channels(module: ChannelBinaryLinear, args) -> None:
    magnitude = args[0].abs().mean(dim=(0, 1))
    module.alpha.copy_(magnitude * torch.linspace(0.8, 1.2, len(magnitude)))
    module.zero_point.copy_(torch.arange(len(magnitude)) % 3 - 1.0)
    module.alpha[1::5] *= -1


@torch.no_grad()
def calibrated(cfg: SwinConfig, seed: int = 1) -> BiSwin:
    torch.manual_seed(seed)
    model = BiSwin(cfg).eval()
    randomise_norms(model, torch.Generator().manual_seed(seed))
    for module in model.modules():
        if isinstance(module, (q.BinaryLinear, ChannelBinaryLinear)):
            module.weight[module.weight == 0] = 1e-6  # as in calibrate.py
    q.set_spelled_out(model, False)
    hooks = []
    for b, block in enumerate(model.blocks):
        attn = block.attn
        for t, act in enumerate((attn.q_act, attn.k_act, attn.v_act)):
            zero_points = [calibrate.QKV_ZERO_POINTS[(b + t + 3 * h) % 8] for h in range(attn.heads)]
            hooks.append(act.register_forward_pre_hook(calibrate._set_from_input(act, zero_points, 0 if (b, t) == (1, 1) else None)))
        zero_points = [calibrate.PROBS_ZERO_POINTS[(b + h) % 5] for h in range(attn.heads)]
        hooks.append(attn.attn_act.register_forward_pre_hook(calibrate._set_from_probs(attn.attn_act, zero_points)))
    hooks += [m.register_forward_pre_hook(_set_channels) for m in model.modules() if isinstance(m, ChannelBinaryLinear)]
    model(torch.from_numpy(random_images(cfg, 2, seed)))
    for hook in hooks:
        hook.remove()
    q.set_spelled_out(model, True)
    return model


def collapse(model: BiSwin) -> None:
    """Integer codes and sums from here on."""
    q.set_spelled_out(model, False)
    for module in model.modules():
        if isinstance(module, (WindowAttention, ChannelBinaryLinear)):
            module.collapsed = True
        elif isinstance(module, q.BinaryLinear):
            module.exact_zeros = True


def write_all(size: str, out: Path, plain: bool) -> None:
    """NAME.onnx (raw), NAME_collapsed.onnx and NAME_input.npy, calibrated and not trained; or NAME_plain.onnx."""
    cfg = CONFIGS[size]
    if plain:
        torch.manual_seed(1)
        torchscript_export(BiSwin(cfg, plain=True).eval(), out / f"{size}_plain.onnx")
        return
    model = calibrated(cfg)
    np.save(out / f"{size}_input.npy", random_images(cfg, 2, seed=2))
    torchscript_export(model, out / f"{size}.onnx")
    collapse(model)
    torchscript_export(model, out / f"{size}_collapsed.onnx")
