"""The ResNet of bottlenecks that Q-DETR quantises: ReActNet's shifts around every PReLU, which stand before the convolutions.

    half(x) = BN(conv(PReLU(x + b1) + b2))            block(x) = PReLU(half3(half2(half1(x))) + shortcut(x) + b01) + b02

A `plain` one is the ordinary ResNet of the same shape: ReLU, no shifts.
"""

import common  # noqa: F401  (../common)
import torch
from quantizers import Bits
from react import Shift
from torch import Tensor, nn

EXPANSION = 4


class FrozenBatchNorm(nn.BatchNorm2d):
    """Arithmetic on the stored statistics, as detectors spell it; an ordinary BatchNormalization while it trains."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        w, b, mean, var = (t.reshape(1, -1, 1, 1) for t in (self.weight, self.bias, self.running_mean, self.running_var))
        scale = w * (var + self.eps).rsqrt()
        return x * scale + (b - mean * scale)


class Activation(nn.Module):
    """RPReLU: PReLU between two shifts."""

    def __init__(self, channels: int):
        super().__init__()
        self.before, self.prelu, self.after = Shift(channels), nn.PReLU(channels), Shift(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.prelu(self.before(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, bits: Bits, plain: bool):
        super().__init__()
        filters = EXPANSION * width
        self.plain = plain
        if not plain:
            self.act1, self.act2, self.act3 = Activation(channels), Activation(width), Activation(width)
            self.act0 = Activation(filters)
        self.conv1, self.bn1 = bits.conv(channels, width, 1), FrozenBatchNorm(width)
        self.conv2, self.bn2 = bits.conv(width, width, 3, stride), FrozenBatchNorm(width)
        self.conv3, self.bn3 = bits.conv(width, filters, 1), FrozenBatchNorm(filters)
        self.shortcut = None
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), FrozenBatchNorm(filters))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.shortcut is None else self.shortcut(x)
        if self.plain:
            out = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))
            return torch.relu(self.bn3(self.conv3(out)) + identity)
        out = self.bn1(self.conv1(self.act1(x)))
        out = self.bn2(self.conv2(self.act2(out)))
        out = self.bn3(self.conv3(self.act3(out)))
        return self.act0(out + identity)


class Backbone(nn.Module):
    """Images [B, C, H, W] -> [B, 4 widths[-1], H / s, W / s], s = 2 to the power of 1 + len(widths)."""

    def __init__(self, channels: int, stem: int, widths: tuple[int, ...], blocks: tuple[int, ...], bits: Bits, plain: bool):
        super().__init__()
        self.stem, self.bn = bits.stem(channels, stem, 7, 2), FrozenBatchNorm(stem)
        self.prelu = nn.ReLU() if plain else nn.PReLU(stem)
        self.pool = nn.MaxPool2d(3, 2, 1)
        layers, inputs = [], stem
        for stage, (width, count) in enumerate(zip(widths, blocks)):
            for i in range(count):
                layers.append(Bottleneck(inputs, width, 2 if i == 0 and stage > 0 else 1, bits, plain))
                inputs = EXPANSION * width
        self.blocks = nn.Sequential(*layers)
        self.channels = inputs

    def forward(self, image: Tensor) -> Tensor:
        return self.blocks(self.pool(self.prelu(self.bn(self.stem(image)))))
