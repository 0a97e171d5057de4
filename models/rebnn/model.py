"""ReBNN's ResNet: every block is one 1-bit 3x3 convolution with a shortcut of its own (Bi-Real Net, ReActNet's shifts).

    block(x) = RPReLU(BN(conv(sign(x + m0))) + shortcut(x))         RPReLU(u) = PReLU(u + m1) + m2
    shortcut(x) = x, or BN(conv1x1(average2x2(x))) where the image gets smaller

A `plain` model is the float network of the same shape, for engines without 1-bit convolutions: no signs, no shifts, ReLU for RPReLU.
"""

from dataclasses import dataclass

import torch
from quantizers import BinaryActivation, BinaryConv
from react import Shift
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image: int
    channels: int  # of the image
    classes: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    stem: int  # its kernel: 7 with stride 2 and a pool, as for ImageNet, or 3 with a pool

    def stem_stride(self) -> int:
        return 2 if self.stem == 7 else 1


CONFIGS = {
    "digits": Config(28, 1, 10, (32, 64), (2, 3), 3),
    "resnet18": Config(224, 3, 1000, (64, 128, 256, 512), (4, 4, 4, 4), 7),
    "resnet34": Config(224, 3, 1000, (64, 128, 256, 512), (6, 8, 12, 6), 7),
}


class Block(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int, plain: bool):
        super().__init__()
        self.plain = plain
        self.move0 = Shift(channels)
        self.sign = BinaryActivation()
        float_conv = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.conv = float_conv if plain else BinaryConv(channels, filters, stride)
        self.bn = nn.BatchNorm2d(filters)
        self.move1 = Shift(filters)
        self.prelu = nn.PReLU(filters)
        self.move2 = Shift(filters)
        self.shortcut = None
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, stride), nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn(self.conv(x if self.plain else self.sign(self.move0(x))))
        out = out + (x if self.shortcut is None else self.shortcut(x))
        if self.plain:
            return torch.relu(out)
        return self.move2(self.prelu(self.move1(out)))


class ReBnn(nn.Module):
    def __init__(self, cfg: Config, plain: bool = False):
        super().__init__()
        self.cfg = cfg
        width = cfg.widths[0]
        self.stem = nn.Conv2d(cfg.channels, width, cfg.stem, cfg.stem_stride(), cfg.stem // 2, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks = []
        for stage, (filters, count) in enumerate(zip(cfg.widths, cfg.blocks)):
            for i in range(count):
                blocks.append(Block(width, filters, 2 if i == 0 and stage > 0 else 1, plain))
                width = filters
        self.blocks = nn.Sequential(*blocks)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, cfg.classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.blocks(self.pool(self.bn(self.stem(image))))
        return self.head(torch.flatten(self.average(x), 1))
