"""A Q-DETR that is not trained but realistic: statistics and scales from random images, unevenly spread. It detects nothing."""

import common  # noqa: F401  (../common)
import torch
from backbone import FrozenBatchNorm
from images import random_fields, randomise_norms
from lsq import roughen, set_scales
from model import Config, QDetr
from quantizers import DistributionAlignment
from react import Shift
from torch import Tensor, nn


@torch.no_grad()
def _randomise(model: nn.Module, generator: torch.Generator) -> None:
    randomise_norms(model, generator)
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm):
            module.momentum = 1.0
            module.weight.uniform_(0.6, 1.4, generator=generator)
            module.bias.normal_(0.0, 0.2, generator=generator)
        if isinstance(module, Shift):
            module.bias.normal_(0.0, 0.1, generator=generator)
        if isinstance(module, nn.PReLU):
            module.weight.uniform_(-0.1, 0.4, generator=generator)
        if isinstance(module, DistributionAlignment):
            module.scale.uniform_(0.6, 1.4, generator=generator)
            module.bias.normal_(0.0, 0.2, generator=generator)
        if isinstance(module, nn.Linear):  # large enough that queries differ
            nn.init.xavier_normal_(module.weight, gain=1.5, generator=generator)


@torch.no_grad()
def set_statistics(model: QDetr, images: Tensor) -> None:
    """Of the backbone's normalisations; the layers after them have none."""
    model.train()
    model.backbone(images)
    model.eval()


def calibrated(cfg: Config, bits: int | None, plain: bool = False, masked: bool = False, seed: int = 1) -> QDetr:
    """Statistics at no more than 320 pixels a side: full-size images would say the same."""
    torch.manual_seed(seed)
    model = QDetr(cfg, None, plain, masked)
    generator = torch.Generator().manual_seed(seed)
    _randomise(model, generator)
    height, width = (min(side, 320) for side in cfg.image)
    images = torch.from_numpy(random_fields(2, cfg.channels, height, width, seed))
    set_statistics(model, images)
    if not bits:
        return model.eval()
    quantised = QDetr(cfg, bits, plain, masked)
    quantised.load_state_dict(model.state_dict(), strict=False)
    set_scales(quantised, images)
    roughen(quantised, generator)
    return quantised.eval()
