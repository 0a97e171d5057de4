"""LSQ+ as Q-ViT and Q-DETR use it: scales per row, per input channel or per head, and the layers built from them.

Each quantiser exists twice. `spelled_out=True` is tensor arithmetic with the residue of its straight-through estimator, which is
what a user's export carries, so the exported files keep it. `spelled_out=False` is the same forward value at a fraction of the
work: training uses it.
"""

import torch
from fakequant import FakeQuantise, as_float32, gradient_scale, round_pass, scale_gradient
from torch import Tensor, nn

# Least-loss step of a uniform quantiser with 2^b levels, in standard deviations of a normal distribution.
STEPS = {4: 0.9957, 8: 0.5860, 16: 0.3352, 256: 0.0308}
SMALLEST_SCALE = 1e-4


def signed_range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


class ActQ(nn.Module):
    """q = round(clip(x / a + Z, low, high)), value (q - Z) * a.

    a and Z = round(zero_point) belong to the last axis of [B, N, C] and [B, C], to axis 1 of [B, H, N, d] and [B, C, H, W].
    Neither is constrained: a may be negative. `signed` is fixed where the published code derives it from the first batch.
    `example` is the shape that LSQ's gradient scale counts; without it, that of what arrives, which an export bakes.
    """

    def __init__(self, bits: int, size: int, signed: bool = True, example: tuple[int, ...] | None = None):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(size))
        self.zero_point = nn.Parameter(torch.zeros(size))
        self.low, self.high = signed_range(bits) if signed else (0, 2**bits - 1)
        self.example = example
        self.spelled_out = True

    @staticmethod
    def _broadcast(t: Tensor, dims: int) -> Tensor:
        return t.unsqueeze(0).unsqueeze(2).unsqueeze(3) if dims == 4 else t.unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        g = gradient_scale(self.example or x.shape[1:], self.high)
        if not self.spelled_out:
            a, z = self._broadcast(self.alpha, x.dim()), self._broadcast(self.zero_point, x.dim())
            if x.dim() == 3:
                a, z = a.unsqueeze(0), z.unsqueeze(0)
            return FakeQuantise.apply(as_float32(x), a, z, self.low, self.high, g)
        a = self._broadcast(scale_gradient(self.alpha, g), x.dim())
        z = self._broadcast(scale_gradient(round_pass(self.zero_point), g), x.dim())
        return (round_pass((x / a + z).clamp(self.low, self.high)) - z) * a


class WeightQ(nn.Module):
    """Mixin: `alpha`, a scale for each output row of `weight`."""

    def _init_quantiser(self, bits: int) -> None:
        self.alpha = nn.Parameter(torch.ones(self.weight.shape[0]))
        self.low, self.high = signed_range(bits)
        self.spelled_out = True

    def quantised_weight(self) -> Tensor:
        w = self.weight
        g = gradient_scale(w.shape, self.high)
        rows = (-1,) + (1,) * (w.dim() - 1)
        if not self.spelled_out:
            a = self.alpha.reshape(rows)
            return FakeQuantise.apply(w, a, torch.zeros_like(a), self.low, self.high, g)
        a = scale_gradient(self.alpha, g)
        for _ in range(w.dim() - 1):
            a = a.unsqueeze(-1)
        return round_pass((w / a).clamp(self.low, self.high)) * a


class LinearQ(nn.Linear, WeightQ):
    def __init__(self, in_features: int, out_features: int, bits: int, **act):
        super().__init__(in_features, out_features)
        self._init_quantiser(bits)
        self.act = ActQ(bits, in_features, **act)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.act(x), self.quantised_weight(), self.bias)


class ConvQ(nn.Conv2d, WeightQ):
    """Zeros are padded after the quantiser: a pixel outside the image counts 0, not (0 - Z) a."""

    def __init__(self, channels: int, filters: int, kernel: int, bits: int, stride: int = 1, padding: int = 0, **act):
        super().__init__(channels, filters, kernel, stride, padding)
        self._init_quantiser(bits)
        self.act = ActQ(bits, channels, **act)

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.conv2d(self.act(image), self.quantised_weight(), self.bias, self.stride, self.padding)


def set_spelled_out(model: nn.Module, spelled_out: bool) -> None:
    for module in model.modules():
        if isinstance(module, (ActQ, WeightQ)):
            module.spelled_out = spelled_out


def _levels(quantiser: nn.Module) -> int:
    return quantiser.high - quantiser.low + 1


def _set_activation(act: ActQ, x: Tensor) -> None:
    axis = 1 if x.dim() == 4 else x.dim() - 1
    values = x.transpose(0, axis).flatten(1)
    if act.low == 0:  # never negative, most near 0: the levels start there and reach a few means
        act.alpha.copy_((2 * values.mean(1) / act.high**0.5).clamp(min=SMALLEST_SCALE))
        act.zero_point.zero_()
        return
    a = (values.std(1) * STEPS[_levels(act)]).clamp(min=SMALLEST_SCALE)
    centre = (act.low + act.high) / 2
    act.alpha.copy_(a)
    act.zero_point.copy_((centre - values.mean(1) / a).round())


@torch.no_grad()
def set_scales(model: nn.Module, images: Tensor) -> None:
    """From what arrives at each quantiser, for each row, channel or head the step that loses least on normally distributed values;
    the zero point centres the levels.

    One pass: every quantiser is set just before it runs, so later ones see what the earlier ones let through.
    """
    hooks = []
    for module in model.modules():
        if isinstance(module, WeightQ):
            module.alpha.copy_(module.weight.flatten(1).std(1) * STEPS[_levels(module)])
        if isinstance(module, ActQ):
            hooks.append(module.register_forward_pre_hook(lambda act, args: _set_activation(act, args[0])))
    set_spelled_out(model, False)
    model.eval()(images)
    set_spelled_out(model, True)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def keep_scales_off_zero(model: nn.Module) -> None:
    for name, p in model.named_parameters():
        if name.endswith("alpha"):
            p.copy_(torch.where(p < 0, p.clamp(max=-SMALLEST_SCALE), p.clamp(min=SMALLEST_SCALE)))


# What calibrated models add to zero points, by channel, so that their pattern is no constant; and the spread of their scales.
ZERO_POINT_STEPS = (0, 0, 1, 0, -1, 0, 0)
SPREAD = (0.8, 1.2)


@torch.no_grad()
def roughen(model: nn.Module, generator: torch.Generator) -> None:
    """What training leaves behind: uneven scales, a negative one here and there, zero points off the centre."""
    quantisers = [module for module in model.modules() if isinstance(module, ActQ)]
    for i, act in enumerate(quantisers):
        size = len(act.alpha)
        act.alpha.mul_(torch.empty(size).uniform_(*SPREAD, generator=generator))
        act.zero_point.add_(torch.tensor([ZERO_POINT_STEPS[(i + c) % len(ZERO_POINT_STEPS)] for c in range(size)]))
        act.zero_point.add_(torch.empty(size).uniform_(-0.4, 0.4, generator=generator))
        if i % 5 == 1 and size > 3:
            act.alpha[(7 * i) % size] *= -1
    for module in model.modules():
        if isinstance(module, WeightQ):
            module.alpha[len(module.alpha) // 3] *= -1
