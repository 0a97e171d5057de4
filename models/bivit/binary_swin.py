"""Bi-ViT on the Swin backbone: binary linears, two-level affine q, k, v and probabilities, windows of 7 x 7 tokens.

As in DeiT, patch embedding, head, LayerNorm, softmax, GELU, residual stream, relative position bias and masks stay fp32.
Patch merging's linear binarises with a scale per input channel (`ChannelBinaryLinear`); q is scaled after its quantiser.

`collapse` turns a model into its collapsed form: integer codes and sums with one factor per head or row behind them, and
Sign(0) = 0 (README.md). Both forms are exported from the same modules.
"""

from pathlib import Path

import calibrate
import common  # noqa: F401  (../common)
import numpy as np
import quantizers as q
import torch
from images import random_images, randomise_norms
from model import head_binarizer
from onnx_export import torchscript_export
from swin import SWIN_CONFIGS, SwinConfig, SwinTransformer, WindowAttention
from torch import Tensor, nn
from vit import Parts

CONFIGS = {
    "swin_digits": SwinConfig(28, 1, 1, 10, dim=32, depths=(2, 2), heads=(1, 2)),
    "swin_tiny": SWIN_CONFIGS["swin_tiny"],
}


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


class CollapsedHeadBinarizer(nn.Module):
    """The integers of a HeadBinarizer; `scale` of the product behind it has the factor."""

    def __init__(self, binarizer: q.HeadBinarizer):
        super().__init__()
        self.alpha, self.zero_point = (p.detach().view(1, -1, 1, 1) for p in (binarizer.alpha, binarizer.zero_point))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sign(x / self.alpha + self.zero_point) - self.zero_point


class BinaryWindowAttention(WindowAttention):
    collapsed = False

    def collapse(self) -> None:
        self.collapsed = True
        for act in ("q_act", "k_act", "v_act", "attn_act"):
            setattr(self, act, CollapsedHeadBinarizer(getattr(self, act)))

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        if not self.collapsed:
            return super().scores(query, key)
        return (query @ key.transpose(-2, -1)) * (self.q_act.alpha * self.k_act.alpha * self.scale)

    def mix(self, probs: Tensor, value: Tensor) -> Tensor:
        mixed = super().mix(probs, value)
        return mixed * (self.attn_act.alpha * self.v_act.alpha) if self.collapsed else mixed


BINARY = Parts(
    linear=q.BinaryLinear,
    attention_act=head_binarizer,
    window_attention=BinaryWindowAttention,
    merging=ChannelBinaryLinear,
    clip_gelu=True,
)


def _set_channels(module: ChannelBinaryLinear, args) -> None:
    magnitude = args[0].abs().mean(dim=(0, 1))
    module.alpha.copy_(magnitude * torch.linspace(0.8, 1.2, len(magnitude)))
    module.zero_point.copy_(torch.arange(len(magnitude)) % 3 - 1.0)
    module.alpha[1::5] *= -1


@torch.no_grad()
def calibrated(cfg: SwinConfig, seed: int = 1) -> SwinTransformer:
    torch.manual_seed(seed)
    model = SwinTransformer(cfg, BINARY).eval()
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


def collapse(model: SwinTransformer) -> None:
    """Integer codes and sums from here on."""
    q.set_spelled_out(model, False)
    for module in list(model.modules()):
        if isinstance(module, BinaryWindowAttention):
            module.collapse()
        elif isinstance(module, ChannelBinaryLinear):
            module.collapsed = True
        elif isinstance(module, q.BinaryLinear):
            module.exact_zeros = True


def write_all(size: str, out: Path, plain: bool) -> None:
    """NAME.onnx (raw), NAME_collapsed.onnx and NAME_input.npy, calibrated and not trained; or NAME_plain.onnx."""
    cfg = CONFIGS[size]
    if plain:
        torch.manual_seed(1)
        torchscript_export(SwinTransformer(cfg).eval(), out / f"{size}_plain.onnx")
        return
    model = calibrated(cfg)
    np.save(out / f"{size}_input.npy", random_images(cfg, 2, seed=2))
    torchscript_export(model, out / f"{size}.onnx")
    collapse(model)
    torchscript_export(model, out / f"{size}_collapsed.onnx")
