"""Signs for training: an exact forward value, and the gradient of a differentiable stand-in."""

import torch
from torch import Tensor


class SignBiReal(torch.autograd.Function):
    """sign(x); the gradient is that of the Bi-Real polynomial, max(0, 2 - 2|x|)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * x.abs().mul_(-2.0).add_(2.0).clamp_(min=0.0)


class SignClip(torch.autograd.Function):
    """sign(clip(x, -1, 1)); the gradient is that of the clip."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.abs() <= 1.0)
        return x.sign()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (inside,) = ctx.saved_tensors
        return grad * inside
