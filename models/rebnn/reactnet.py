"""ReActNet-A (arXiv 2003.03488): MobileNetV1 of 1-bit convolutions, each with a shortcut and RPReLU.

    a = RPReLU(BN(conv3x3(sign(x + m0))) + shortcut(x))             shortcut(x) = x, or average2x2(x) where the image gets smaller
    y = RPReLU(b),  b = BN(conv1x1(sign(a + m0))) + a               or, where the channels double, two of these side by side

Weights are mean|W| sign(W), a mean for each filter.
"""

from dataclasses import dataclass

import torch
from quantizers import BinaryActivation, MeanBinaryConv
from react import Shift
from torch import Tensor, nn


@dataclass(frozen=True)
class ReActConfig:
    image: int
    channels: int  # of the image
    classes: int
    stem: int  # its filters
    blocks: tuple[tuple[int, int], ...]  # filters, stride


REACT_CONFIGS = {
    "reactnet_digits": ReActConfig(28, 1, 10, 32, ((64, 1), (128, 2), (128, 1))),
    "reactnet_a": ReActConfig(224, 3, 1000, 32, (
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1))),
}  # fmt: skip


class RPReLU(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.move1 = Shift(channels)
        self.prelu = nn.PReLU(channels)
        self.move2 = Shift(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.move2(self.prelu(self.move1(x)))


class BinaryUnit(nn.Module):
    """BN(conv(signs))."""

    def __init__(self, channels: int, kernel: int, stride: int):
        super().__init__()
        self.conv = MeanBinaryConv(channels, channels, kernel, stride)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, signs: Tensor) -> Tensor:
        return self.bn(self.conv(signs))


class ReActBlock(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        assert filters in (channels, 2 * channels)
        self.move_space, self.move_depth = Shift(channels), Shift(channels)
        self.sign = BinaryActivation()
        self.space = BinaryUnit(channels, 3, stride)
        self.average = nn.AvgPool2d(2, 2) if stride == 2 else None
        self.activate_space = RPReLU(channels)
        self.depth = nn.ModuleList(BinaryUnit(channels, 1, 1) for _ in range(filters // channels))
        self.activate_depth = RPReLU(filters)

    def forward(self, x: Tensor) -> Tensor:
        a = self.space(self.sign(self.move_space(x)))
        a = self.activate_space(a + (x if self.average is None else self.average(x)))
        signs = self.sign(self.move_depth(a))
        parts = [unit(signs) + a for unit in self.depth]
        return self.activate_depth(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))


class ReActNet(nn.Module):
    def __init__(self, cfg: ReActConfig):
        super().__init__()
        self.cfg = cfg
        self.stem = nn.Conv2d(cfg.channels, cfg.stem, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(cfg.stem)
        blocks, channels = [], cfg.stem
        for filters, stride in cfg.blocks:
            blocks.append(ReActBlock(channels, filters, stride))
            channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, cfg.classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.flatten(self.average(self.blocks(self.bn(self.stem(image)))), 1))
