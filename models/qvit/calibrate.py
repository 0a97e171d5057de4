"""Sets the scales of a Q-ViT from what arrives at each quantiser: the start of a training, or a realistic model without one.

The step is the one that loses least on normally distributed values, for each row, channel or head; the zero point centres the
levels. Uncalibrated scales mean nothing: never export a model before this.
"""

import common  # noqa: F401  (../common)
import torch
from images import random_images, randomise_norms
from model import qvit
from quantizers import ActQ, _WeightQ, set_spelled_out
from torch import Tensor, nn
from vit import Config, VisionTransformer

# Least-loss step of a uniform quantiser with 2^b levels, in standard deviations of a normal distribution.
STEPS = {4: 0.9957, 8: 0.5860, 16: 0.3352, 256: 0.0308}
# What calibrated models add to zero points, by channel, so that their pattern is no constant; and the spread of their scales.
ZERO_POINT_STEPS = (0, 0, 1, 0, -1, 0, 0)
SPREAD = (0.8, 1.2)


def _levels(quantiser: nn.Module) -> int:
    return quantiser.high - quantiser.low + 1


def _set_activation(act: ActQ, x: Tensor) -> None:
    axis = 1 if x.dim() == 4 else x.dim() - 1
    values = x.transpose(0, axis).flatten(1)
    if act.low == 0:  # probabilities: most are near 0, so the levels start there and reach a few means
        act.alpha.copy_(2 * values.mean(1) / act.high**0.5)
        act.zero_point.zero_()
        return
    a = (values.std(1) * STEPS[_levels(act)]).clamp(min=1e-4)
    centre = (act.low + act.high) / 2
    act.alpha.copy_(a)
    act.zero_point.copy_((centre - values.mean(1) / a).round())


@torch.no_grad()
def set_scales(model: VisionTransformer, images: Tensor) -> None:
    """One pass: every quantiser is set just before it runs, so later ones see what the earlier ones let through."""
    hooks = []
    for module in model.modules():
        if isinstance(module, _WeightQ):
            module.alpha.copy_(module.weight.flatten(1).std(1) * STEPS[_levels(module)])
        if isinstance(module, ActQ):
            hooks.append(module.register_forward_pre_hook(lambda act, args: _set_activation(act, args[0])))
    set_spelled_out(model, False)
    model.eval()(images)
    set_spelled_out(model, True)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def _roughen(model: VisionTransformer, generator: torch.Generator) -> None:
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
        if isinstance(module, _WeightQ):
            module.alpha[len(module.alpha) // 3] *= -1


def calibrated(cfg: Config, bits: int, seed: int = 1) -> VisionTransformer:
    torch.manual_seed(seed)
    model = qvit(cfg, bits)
    generator = torch.Generator().manual_seed(seed)
    randomise_norms(model, generator)
    set_scales(model, torch.from_numpy(random_images(cfg, 4, seed)))
    _roughen(model, generator)
    return model.eval()
