"""What ReBNN, RBONN and ReActNet put into a ResNet: 1-bit convolutions, shifted signs, RPReLU.

As in models/bivit both estimators exist twice: `spelled_out=True` is the tensor arithmetic that a user's export carries,
`spelled_out=False` the same forward value through an autograd.Function, for training.
"""

import common  # noqa: F401  (../common)
import torch
import torch.nn.functional as F
from signs import SignBiReal, SignClip
from torch import Tensor, nn


class BinaryActivation(nn.Module):
    """sign(x), with 0 for 0."""

    def __init__(self):
        super().__init__()
        self.spelled_out = True

    def forward(self, x: Tensor) -> Tensor:
        if not self.spelled_out:
            return SignBiReal.apply(x)
        sign = torch.sign(x)
        below, negative, under = (x < -1).float(), (x < 0).float(), (x < 1).float()
        left = (-1) * below + (x * x + 2 * x) * (1 - below)
        middle = left * negative + (-x * x + 2 * x) * (1 - negative)
        stand_in = middle * under + 1 * (1 - under)
        return sign.detach() - stand_in.detach() + stand_in


class BinaryConv(nn.Module):
    """A convolution by 0.02 |s| sign(W), s learned, one for each filter."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(filters, channels, 3, 3))
        self.scale = nn.Parameter(torch.ones(filters, 1, 1, 1))
        self.stride = stride
        self.spelled_out = True

    def forward(self, x: Tensor) -> Tensor:
        sign = torch.sign(self.weight) if self.spelled_out else SignClip.apply(self.weight)
        return F.conv2d(x, 0.02 * self.scale.abs() * sign, stride=self.stride, padding=1)


class MeanBinaryConv(nn.Module):
    """A convolution by mean|W| sign(W), a mean for each filter (ReActNet's HardBinaryConv); its straight-through residue stays in the export."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int):
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(filters, channels, kernel, kernel))
        self.stride = stride
        self.spelled_out = True

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        scale = w.abs().mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True).detach()
        if self.spelled_out:
            stand_in = torch.clamp(w, -1.0, 1.0)
            binary = (scale * torch.sign(w)).detach() - stand_in.detach() + stand_in
        else:
            binary = scale * SignClip.apply(w)
        return F.conv2d(x, binary, stride=self.stride, padding=w.shape[-1] // 2)


def set_spelled_out(model: nn.Module, spelled_out: bool) -> None:
    for module in model.modules():
        if isinstance(module, (BinaryActivation, BinaryConv, MeanBinaryConv)):
            module.spelled_out = spelled_out
