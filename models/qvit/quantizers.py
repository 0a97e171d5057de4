"""The two quantisers of Q-ViT, LSQ+ with a scale per row, per input channel or per head, and the layers built from them.

Each exists twice. `spelled_out=True` is tensor arithmetic with the residue of its straight-through estimator, which is what a
user's export carries, so the exported files keep it. `spelled_out=False` is the same forward value at a fraction of the work:
training uses it.
"""

import common  # noqa: F401  (../common)
import torch
from fakequant import FakeQuantise, as_float32, gradient_scale, round_pass, scale_gradient
from torch import Tensor, nn


def signed_range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


class ActQ(nn.Module):
    """q = round(clip(x / a + Z, low, high)), value (q - Z) * a.

    a and Z = round(zero_point) belong to the last axis of [B, N, C] and [B, C], to axis 1 of [B, H, N, d] and [B, C, H, W].
    Neither is constrained: a may be negative. `signed` is fixed where the published code derives it from the first batch.
    """

    def __init__(self, bits: int, size: int, signed: bool = True):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(size))
        self.zero_point = nn.Parameter(torch.zeros(size))
        self.low, self.high = signed_range(bits) if signed else (0, 2**bits - 1)
        self.spelled_out = True

    @staticmethod
    def _broadcast(t: Tensor, dims: int) -> Tensor:
        return t.unsqueeze(0).unsqueeze(2).unsqueeze(3) if dims == 4 else t.unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        g = gradient_scale(x.shape[1:], self.high)
        if not self.spelled_out:
            a, z = self._broadcast(self.alpha, x.dim()), self._broadcast(self.zero_point, x.dim())
            if x.dim() == 3:
                a, z = a.unsqueeze(0), z.unsqueeze(0)
            return FakeQuantise.apply(as_float32(x), a, z, self.low, self.high, g)
        a = self._broadcast(scale_gradient(self.alpha, g), x.dim())
        z = self._broadcast(scale_gradient(round_pass(self.zero_point), g), x.dim())
        return (round_pass((x / a + z).clamp(self.low, self.high)) - z) * a


class _WeightQ(nn.Module):
    """Mixin: `alpha`, a scale for each output row of `weight`."""

    def _init_quantiser(self, bits: int) -> None:
        self.alpha = nn.Parameter(torch.ones(self.weight.shape[0]))
        self.low, self.high = signed_range(bits)
        self.spelled_out = True

    def quantised_weight(self) -> Tensor:
        w = self.weight
        g = gradient_scale(w.shape, self.high)
        rows = (-1,) + (1,) * (w.dim() - 1)
        if not self.spelled_out:
            a = self.alpha.reshape(rows)
            return FakeQuantise.apply(w, a, torch.zeros_like(a), self.low, self.high, g)
        a = scale_gradient(self.alpha, g)
        for _ in range(w.dim() - 1):
            a = a.unsqueeze(-1)
        return round_pass((w / a).clamp(self.low, self.high)) * a


class LinearQ(nn.Linear, _WeightQ):
    def __init__(self, in_features: int, out_features: int, bits: int):
        super().__init__(in_features, out_features)
        self._init_quantiser(bits)
        self.act = ActQ(bits, in_features)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.act(x), self.quantised_weight(), self.bias)


class PatchEmbedQ(nn.Conv2d, _WeightQ):
    """Non-overlapping patches; the input has a scale for each colour."""

    def __init__(self, channels: int, dim: int, patch: int, bits: int):
        super().__init__(channels, dim, patch, patch)
        self._init_quantiser(bits)
        self.act = ActQ(bits, channels)

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.conv2d(self.act(image), self.quantised_weight(), self.bias, self.stride)


def set_spelled_out(model: nn.Module, spelled_out: bool) -> None:
    for module in model.modules():
        if isinstance(module, (ActQ, _WeightQ)):
            module.spelled_out = spelled_out
