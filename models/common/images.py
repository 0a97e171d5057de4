"""Images without a data set, for models that are calibrated and timed but classify nothing."""

import numpy as np
import torch
from torch import nn


def random_fields(count: int, channels: int, height: int, width: int, seed: int) -> np.ndarray:
    """Smooth colour fields with noise, normalised as photographs are: float32 [count, C, H, W]."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.standard_normal((count, channels, 7, 7), dtype=np.float32))
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    fine = rng.standard_normal((count, channels, height, width), dtype=np.float32)
    return smooth.numpy() + np.float32(0.3) * fine


def random_images(cfg, count: int, seed: int) -> np.ndarray:
    return random_fields(count, cfg.channels, cfg.image, cfg.image, seed)


@torch.no_grad()
def randomise_norms(model: nn.Module, generator: torch.Generator) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.uniform_(0.6, 1.4, generator=generator)
            module.bias.normal_(0.0, 0.2, generator=generator)
