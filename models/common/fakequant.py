"""Affine fake quantisation with learned scales (LSQ+), for training: forward and gradients in one pass each.

The exported spelling, tensor arithmetic with its straight-through residue, is each family's own; forward values are equal.
"""

import math

import torch
from torch import Tensor


def gradient_scale(shape, levels: int) -> float:
    """1 / sqrt(elements * levels), elements of one example, so that an export with an open batch bakes the same number."""
    return 1.0 / math.sqrt(math.prod(int(size) for size in shape) * levels)


def as_float32(x: Tensor) -> Tensor:
    """For training in mixed precision; otherwise nothing, not even a Cast in an exported graph."""
    return x if x.dtype == torch.float32 else x.float()


def scale_gradient(t: Tensor, g: float) -> Tensor:
    scaled = t * g
    return t.detach() - scaled.detach() + scaled


def round_pass(t: Tensor) -> Tensor:
    return torch.round(t).detach() - t.detach() + t


class FakeQuantise(torch.autograd.Function):
    """(round(clip(x / a + Z, low, high)) - Z) * a with Z = round(z); a and z broadcast against x."""

    @staticmethod
    def forward(ctx, x: Tensor, a: Tensor, z: Tensor, low: int, high: int, g: float) -> Tensor:
        z = z.round()
        shifted = (x / a).add_(z)
        clipped = shifted.clamp(low, high)
        inside = shifted == clipped
        levels = clipped.round_().sub_(z)
        y = levels * a
        by_scale = levels.sub_(shifted.sub_(z).mul_(inside))  # dy/da: level - x / a inside, the outermost level outside
        ctx.save_for_backward(inside, by_scale, a)
        ctx.g = g
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):
        inside, by_scale, a = ctx.saved_tensors
        to_x = grad * inside
        to_scale = to_zero_point = None
        if ctx.needs_input_grad[1]:
            to_scale = (grad * by_scale).sum_to_size(a.shape) * ctx.g
        if ctx.needs_input_grad[2]:
            to_zero_point = (to_x.sum_to_size(a.shape) - grad.sum_to_size(a.shape)) * a * ctx.g
        return to_x, to_scale, to_zero_point, None, None, None
