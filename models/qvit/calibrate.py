"""A Q-ViT that is not trained but realistic: scales from random images, unevenly spread. Uncalibrated scales mean nothing."""

import common  # noqa: F401  (../common)
import torch
from images import random_images, randomise_norms
from lsq import roughen, set_scales
from model import qvit
from vit import Config, VisionTransformer


def calibrated(cfg: Config, bits: int, seed: int = 1) -> VisionTransformer:
    torch.manual_seed(seed)
    model = qvit(cfg, bits)
    generator = torch.Generator().manual_seed(seed)
    randomise_norms(model, generator)
    set_scales(model, torch.from_numpy(random_images(cfg, 4, seed)))
    roughen(model, generator)
    return model.eval()
