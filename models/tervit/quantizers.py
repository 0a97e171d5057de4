"""The quantisers of TerViT: ternary weights by the TWN rule, 8-bit weights for the edges, three kinds of activation quantiser.

Nothing of an autograd.Function but its forward reaches an exported file, so the quantisers are written as such Functions; the
static one alone has a second spelling, with QuantizeLinear and DequantizeLinear.
"""

import common  # noqa: F401  (../common)
import torch
from fakequant import as_float32, gradient_scale
from torch import Tensor, nn

ACT_LOW, ACT_HIGH = -128, 127
WEIGHT_CLIP = 2.5


class _Ternary(torch.autograd.Function):
    """Row by row: +-alpha where |w| > delta = 0.7 mean|w|, else 0; alpha = the mean magnitude of those. Gradient: identity."""

    @staticmethod
    def forward(ctx, w: Tensor) -> Tensor:
        w = w.clamp(-WEIGHT_CLIP, WEIGHT_CLIP)
        delta = w.abs().mean(dim=1, keepdim=True) * 0.7
        positive = (w > delta).to(w.dtype)
        negative = (w < -delta).to(w.dtype)
        kept = (w.abs() > delta).to(w.dtype)
        alpha = (kept * w.abs()).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return alpha * positive - alpha * negative

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class _Symmetric(torch.autograd.Function):
    """round(x * s) / s with s = 127 / max|x| over the last axis. Gradient: identity."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        s = ACT_HIGH / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
        return torch.round(x * s) / s

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class _Weight8(torch.autograd.Function):
    """round(w / s) * s with s = max|w| / 127 for each row: the stored values are integers times s, exactly. Gradient: identity."""

    @staticmethod
    def forward(ctx, w: Tensor) -> Tensor:
        s = w.abs().amax(dim=-1, keepdim=True) / ACT_HIGH
        return torch.round(w / s) * s

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad


class _Static(torch.autograd.Function):
    """(clip(round(x / s) + z, -128, 127) - z) * s."""

    @staticmethod
    def forward(ctx, x: Tensor, s: Tensor, z: Tensor) -> Tensor:
        codes = torch.clamp(torch.round(x / s) + z, ACT_LOW, ACT_HIGH)
        ctx.save_for_backward(x, s, z, codes)
        return (codes - z) * s

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, s, z, codes = ctx.saved_tensors
        inside = (codes > ACT_LOW) & (codes < ACT_HIGH)
        to_scale = (grad * (codes - z - inside * (x / s))).sum() * gradient_scale(x.shape[1:], ACT_HIGH)
        return grad * inside, to_scale, None


class StaticAct(nn.Module):
    """One scale and one integer zero point for the tensor; after `spell_as_qdq` it exports as QuantizeLinear, DequantizeLinear."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("zero_point", torch.zeros(()))
        self.qdq: tuple[float, int] | None = None

    def spell_as_qdq(self) -> None:
        self.qdq = self.scale.item(), int(self.zero_point.item())

    def forward(self, x: Tensor) -> Tensor:
        if self.qdq:
            return torch.fake_quantize_per_tensor_affine(x, *self.qdq, ACT_LOW, ACT_HIGH)
        return _Static.apply(as_float32(x), self.scale, self.zero_point)


class DynamicAct(nn.Module):
    """Per token: the scale comes from the row itself."""

    def forward(self, x: Tensor) -> Tensor:
        return _Symmetric.apply(as_float32(x))


ACTS = {"static": StaticAct, "dynamic": DynamicAct, "float": nn.Identity}


class TernaryLinear(nn.Linear):
    def __init__(self, in_features: int, out_features: int, act: str, bias: bool = True):
        super().__init__(in_features, out_features, bias)
        self.act = ACTS[act]()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.act(x), _Ternary.apply(self.weight), self.bias)


class Linear8(nn.Linear):
    """8-bit weights, symmetric per row."""

    def __init__(self, in_features: int, out_features: int, act: str):
        super().__init__(in_features, out_features)
        self.act = ACTS[act]()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.act(x), _Weight8.apply(self.weight), self.bias)


class PatchEmbed8(nn.Conv2d):
    """8-bit weights, symmetric per output channel. A dynamic scale per token makes no sense for pixels: float input there."""

    def __init__(self, channels: int, dim: int, patch: int, act: str):
        super().__init__(channels, dim, patch, patch)
        self.act = StaticAct() if act == "static" else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        w = _Weight8.apply(self.weight.flatten(1)).view_as(self.weight)
        return nn.functional.conv2d(self.act(image), w, self.bias, self.stride)
