"""What an oracle reads from a PyTorch module."""

import numpy as np
from torch import Tensor, nn

f32, f64 = np.float32, np.float64


def array(t: Tensor) -> np.ndarray:
    return t.detach().numpy().astype(f32)


def channel(t: Tensor) -> np.ndarray:
    """One number a channel, against an image [C, H, W]."""
    return array(t).reshape(-1, 1, 1)


def affine(bn: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """BatchNormalization as the converter folds it: factor and offset of double values, each rounded once."""
    gamma, beta, mean, var = (array(t).astype(f64) for t in (bn.weight, bn.bias, bn.running_mean, bn.running_var))
    factor = gamma / np.sqrt(var + f64(f32(bn.eps)))
    return factor.astype(f32), (beta - mean * factor).astype(f32)
