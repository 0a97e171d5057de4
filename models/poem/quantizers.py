"""POEM's Bi-FC unit: BN -> sign -> 1-bit layer -> learned scale of each output -> BN -> PReLU.

A layer is a 1x1 convolution over points (Conv1d), over edges (Conv2d), or fully connected. Both signs exist twice: `spelled_out=True`
is the tensor arithmetic that a user's export carries, `spelled_out=False` the same forward value through an
autograd.Function, for training.
"""

import common  # noqa: F401  (../common)
import torch
import torch.nn.functional as F
from signs import SignClip
from torch import Tensor, nn

# By the number of dimensions of the features: [B, C], [B, C, points], [B, C, points, neighbours].
LAYERS = {2: F.linear, 3: F.conv1d, 4: F.conv2d}
NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}


class BinarySign(nn.Module):
    """sign(x), with 0 for 0; the gradient of clip(x, -1, 1)."""

    def __init__(self):
        super().__init__()
        self.spelled_out = True

    def forward(self, x: Tensor) -> Tensor:
        if not self.spelled_out:
            return SignClip.apply(x)
        stand_in = torch.clamp(x, -1, 1)
        return torch.sign(x).detach() - stand_in.detach() + stand_in


class BiFc(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int):
        super().__init__()
        self.rank = rank
        self.bn1 = NORMS[rank](inputs)
        self.sign = BinarySign()
        self.weight = nn.Parameter(0.1 * torch.randn(outputs, inputs))
        self.weight_sign = BinarySign()
        self.scale = nn.Parameter(torch.full((outputs,), inputs**-0.5))
        self.bn2 = NORMS[rank](outputs)
        self.prelu = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        ones = (1,) * (self.rank - 2)
        weight = self.weight_sign(self.weight).reshape(*self.weight.shape, *ones)
        y = LAYERS[self.rank](self.sign(self.bn1(x)), weight) * self.scale.reshape(-1, *ones)
        return self.prelu(self.bn2(y))


class RealFc(nn.Module):
    """The first layers, which read coordinates: layer -> BN -> PReLU, in floats."""

    def __init__(self, inputs: int, outputs: int, rank: int):
        super().__init__()
        self.layer = (nn.Conv1d if rank == 3 else nn.Conv2d)(inputs, outputs, 1, bias=False)
        self.bn = NORMS[rank](outputs)
        self.prelu = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(self.bn(self.layer(x)))


def stack(widths: tuple[int, ...], rank: int, real: bool) -> nn.Sequential:
    """Layers of these widths; the first of them in floats if `real`."""
    pairs = list(zip(widths, widths[1:]))
    return nn.Sequential(*[RealFc(*pair, rank) if real and i == 0 else BiFc(*pair, rank) for i, pair in enumerate(pairs)])


def set_spelled_out(model: nn.Module, spelled_out: bool) -> None:
    for module in model.modules():
        if isinstance(module, BinarySign):
            module.spelled_out = spelled_out
