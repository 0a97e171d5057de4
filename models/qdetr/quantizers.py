"""What Q-DETR puts into a DETR: layers of the network's width, 8-bit ones for the stem and attention, weights alone for projections.

A `Bits` makes them; without a width they are the float layers of the same names and shapes, so that a float network's state fits.
"""

from dataclasses import dataclass

import common  # noqa: F401  (../common)
import torch
from lsq import ActQ, ConvQ, LinearQ, WeightQ
from torch import Tensor, nn

EDGE_BITS = 8
WIDTHS = (4, 3, 2)
# LSQ's gradient scale counts the elements at a quantiser. A count of our own, so that exports of any image size hold the same scales.
EXAMPLE = (1 << 16,)


class Projection(nn.Linear, WeightQ):
    """Low-bit weights, float activations; attention takes slices of the one quantised matrix."""

    def __init__(self, in_features: int, out_features: int, bits: int):
        super().__init__(in_features, out_features)
        self._init_quantiser(bits)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.quantised_weight(), self.bias)


class FloatProjection(nn.Linear):
    def quantised_weight(self) -> Tensor:
        return self.weight


class DistributionAlignment(nn.Module):
    """LayerNorm of q's head dimension before its quantiser, spelled as in the published code; torch's variance divides by n - 1."""

    def __init__(self, size: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 1, 1, size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        out = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(dim=-1, keepdim=True) + 1e-5)
        return self.scale.expand_as(out) * out + self.bias.unsqueeze(0).unsqueeze(0).unsqueeze(0).expand_as(out)


@dataclass(frozen=True)
class Bits:
    width: int | None  # of weights and activations; None: everything float

    def stem(self, channels: int, filters: int, kernel: int, stride: int) -> nn.Module:
        if not self.width:
            return nn.Conv2d(channels, filters, kernel, stride, kernel // 2)
        return ConvQ(channels, filters, kernel, EDGE_BITS, stride, kernel // 2, example=EXAMPLE)

    def conv(self, channels: int, filters: int, kernel: int, stride: int = 1) -> nn.Module:
        if not self.width:
            return nn.Conv2d(channels, filters, kernel, stride, kernel // 2)
        return ConvQ(channels, filters, kernel, self.width, stride, kernel // 2, example=EXAMPLE)

    def linear(self, inputs: int, outputs: int, signed: bool) -> nn.Module:
        return LinearQ(inputs, outputs, self.width, signed=signed, example=EXAMPLE) if self.width else nn.Linear(inputs, outputs)

    def projection(self, inputs: int, outputs: int) -> nn.Module:
        return Projection(inputs, outputs, self.width) if self.width else FloatProjection(inputs, outputs)

    def of_heads(self, heads: int, signed: bool) -> nn.Module:
        return ActQ(EDGE_BITS, heads, signed, EXAMPLE) if self.width else nn.Identity()
