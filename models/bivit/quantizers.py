"""The two quantisers of Bi-ViT, and their straight-through estimators (STE).

Both estimators exist twice. `spelled_out=True` writes them as tensor arithmetic, `sign - p + p` with p a differentiable
stand-in: this is what a user's export carries, so the exported files keep it. `spelled_out=False` is the same forward value
through an autograd.Function, at a fraction of the work: training uses it.
"""

import common  # noqa: F401  (../common)
import torch
from signs import SignBiReal, SignClip
from torch import Tensor, nn


def set_spelled_out(model: nn.Module, spelled_out: bool) -> None:
    for module in model.modules():
        if isinstance(module, (BinaryLinear, HeadBinarizer)):
            module.spelled_out = spelled_out


def bireal_polynomial(x: Tensor) -> Tensor:
    """-1, x^2 + 2x, 2x - x^2, +1 on the four pieces cut at -1, 0 and 1; blended by masks, as exporters write it."""
    below = (x < -1.0).to(x.dtype)
    negative = (x < 0.0).to(x.dtype)
    under = (x < 1.0).to(x.dtype)
    square, double = x * x, x * 2.0
    left = below * -1.0 + (square + double) * (1.0 - below)
    middle = left * negative + (-square + double) * (1.0 - negative)
    return middle * under + (1.0 - under)


def sign_spelled_out(x: Tensor) -> Tensor:
    stand_in = bireal_polynomial(x)
    return torch.sign(x).detach() - stand_in.detach() + stand_in


class BinaryLinear(nn.Linear):
    """y = sign(x) @ (mean|W_row| * sign(W))^T. The bias is a parameter that the method never adds."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features, bias=True)
        self.spelled_out = True
        self.exact_zeros = False

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        scale = w.abs().mean(dim=1, keepdim=True).detach()
        if self.spelled_out:
            clipped = torch.clip(w, -1.0, 1.0)
            binary = (scale * torch.sign(w)).detach() - clipped.detach() + clipped
            return sign_spelled_out(x) @ binary.t()
        codes = SignBiReal.apply(x)
        if self.exact_zeros:  # integer sums, then the scale: the collapsed form
            # Folding the scale into the gradient keeps both forms' weight gradients equal.
            return _ScaleRows.apply(codes @ SignClip.apply(w).t(), scale.t())
        return codes @ (scale * SignClip.apply(w)).t()


class _ScaleRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, sums: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return sums * scale

    @staticmethod
    def backward(ctx, grad: Tensor):
        (scale,) = ctx.saved_tensors
        return grad * scale, None


class HeadBinarizer(nn.Module):
    """x [B, H, N, d] -> (sign(clip(x / a + Z, -1, 1)) - Z) * a, with a and an integer Z for each head."""

    def __init__(self, heads: int, alpha: float = 1.0, zero_point: float = 0.0):
        super().__init__()
        self.alpha = nn.Parameter(torch.full((heads,), alpha))
        self.zero_point = nn.Parameter(torch.full((heads,), zero_point))
        self.spelled_out = True

    def forward(self, x: Tensor) -> Tensor:
        rounded = torch.round(self.zero_point).detach() - self.zero_point.detach() + self.zero_point
        a = self.alpha.unsqueeze(0).unsqueeze(2).unsqueeze(3)
        z = rounded.unsqueeze(0).unsqueeze(2).unsqueeze(3)
        shifted = x / a + z
        if self.spelled_out:
            clipped = torch.clip(shifted, -1.0, 1.0)
            codes = torch.sign(clipped).detach() - clipped.detach() + clipped
        else:
            codes = SignClip.apply(shifted)
        return (codes - z) * a
