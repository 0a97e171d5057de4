"""Sets the static scales of a TerViT from the range of what arrives at each quantiser."""

import common  # noqa: F401  (../common)
import torch
from images import random_images, randomise_norms
from model import tervit
from quantizers import ACT_HIGH, ACT_LOW, StaticAct
from torch import Tensor, nn

OUTSIDE = 1e-4  # of the values, on either side


def _set_range(act: StaticAct, x: Tensor) -> None:
    values = x.flatten().sort().values
    cut = int(len(values) * OUTSIDE)
    low, high = values[cut].clamp(max=0), values[-1 - cut].clamp(min=0)
    act.scale.copy_(((high - low) / (ACT_HIGH - ACT_LOW)).clamp(min=1e-6))
    act.zero_point.copy_((ACT_LOW - low / act.scale).round())


@torch.no_grad()
def set_scales(model: nn.Module, images: Tensor) -> None:
    """One pass: every quantiser is set just before it runs."""
    hooks = []
    for module in model.modules():
        if isinstance(module, StaticAct):
            hooks.append(module.register_forward_pre_hook(lambda act, args: _set_range(act, args[0])))
    model.eval()(images)
    for hook in hooks:
        hook.remove()


def calibrated(cfg, variant: str, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    model = tervit(cfg, variant)
    randomise_norms(model, torch.Generator().manual_seed(seed))
    set_scales(model, torch.from_numpy(random_images(cfg, 2, seed)))
    return model.eval()
