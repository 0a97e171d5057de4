"""ReActNet's learned shift of a channel, which 1-bit and low-bit networks put around signs and PReLU."""

import torch
from torch import Tensor, nn


class Shift(nn.Module):
    """x + b, one b for each channel, expanded to x as the published modules do."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)
