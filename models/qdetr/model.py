"""Q-DETR (arXiv 2304.00253) on DETR and SMCA-DETR: images [B, C, H, W] of any size -> logits [B, Q, classes], boxes [B, Q, 4].

Boxes are (centre x, centre y, width, height) as shares of the image. DETR: softmax over the logits, the last class is "nothing".
SMCA: a sigmoid of each logit, and boxes relative to the reference point of their query.
"""

import math
from dataclasses import dataclass

import common  # noqa: F401  (../common)
import torch
from backbone import Backbone
from quantizers import Bits
from torch import Tensor, nn
from transformer import Decoder, EncoderLayer, Mlp


@dataclass(frozen=True)
class Config:
    image: tuple[int, int]  # height and width of the static export
    channels: int
    classes: int  # of objects
    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dim: int
    heads: int
    encoder: int
    decoder: int
    feedforward: int
    queries: int
    smca: bool = False


_RESNET50 = dict(channels=3, classes=91, stem=64, widths=(64, 128, 256, 512), blocks=(3, 4, 6, 3))
_DETR = dict(image=(800, 1066), dim=256, heads=8, encoder=6, decoder=6, feedforward=2048)
_TINY = dict(image=(96, 96), channels=3, classes=4, stem=16, widths=(16, 16, 24, 32), blocks=(1, 1, 1, 1), dim=64, heads=2, encoder=2,
             decoder=2, feedforward=128, queries=10)
CONFIGS = {
    "scenes": Config(image=(64, 64), channels=1, classes=10, stem=16, widths=(16, 32), blocks=(1, 2), dim=64, heads=4, encoder=1,
                     decoder=2, feedforward=128, queries=16, smca=True),
    "tiny": Config(**_TINY),
    "tiny_smca": Config(**_TINY, smca=True),
    "detr_r50": Config(**_RESNET50, **_DETR, queries=100),
    "smca_r50": Config(**_RESNET50, **_DETR, queries=300, smca=True),
}

EPSILON = 1e-6
TEMPERATURE = 10000


class SinePositions(nn.Module):
    """Sines and cosines of the pixel's row, then of its column, counted over pixels that no mask hides: [B, dim, H, W]."""

    def __init__(self, dim: int):
        super().__init__()
        half = dim // 2
        steps = TEMPERATURE ** (2 * torch.div(torch.arange(half, dtype=torch.float32), 2, rounding_mode="floor") / half)
        self.register_buffer("steps", steps, persistent=False)

    def _waves(self, place: Tensor) -> Tensor:
        angle = place[:, :, :, None] / self.steps
        return torch.stack((angle[:, :, :, 0::2].sin(), angle[:, :, :, 1::2].cos()), dim=4).flatten(3)

    def forward(self, mask: Tensor) -> Tensor:
        seen = ~mask
        y = seen.cumsum(1, dtype=torch.float32)
        x = seen.cumsum(2, dtype=torch.float32)
        y = y / (y[:, -1:, :] + EPSILON) * (2 * math.pi)
        x = x / (x[:, :, -1:] + EPSILON) * (2 * math.pi)
        return torch.cat((self._waves(y), self._waves(x)), dim=3).permute(0, 3, 1, 2)


class QDetr(nn.Module):
    """`masked` keeps DETR's mask of padded pixels in the graph (all False: one image is never padded) instead of leaving it out."""

    def __init__(self, cfg: Config, bits: int | None, plain: bool = False, masked: bool = False):
        super().__init__()
        self.cfg, self.masked = cfg, masked
        width = Bits(bits)
        self.backbone = Backbone(cfg.channels, cfg.stem, cfg.widths, cfg.blocks, width, plain)
        self.input_proj = nn.Conv2d(self.backbone.channels, cfg.dim, 1)
        self.positions = SinePositions(cfg.dim)
        self.encoder = nn.ModuleList(EncoderLayer(cfg, width) for _ in range(cfg.encoder))
        self.decoder = Decoder(cfg, width, align=not plain)
        self.query_pos = nn.Parameter(torch.randn(cfg.queries, cfg.dim))
        self.query = nn.Parameter(torch.randn(cfg.queries, cfg.dim)) if cfg.smca else None
        self.class_embed = nn.Linear(cfg.dim, cfg.classes + (0 if cfg.smca else 1))
        self.bbox_embed = Mlp(cfg.dim, cfg.dim, 4, 3)

    def _mask(self, image: Tensor, features: Tensor) -> Tensor:
        batch, _, height, width = image.shape
        mask = torch.zeros((batch, height, width), dtype=torch.bool, device=image.device)
        return nn.functional.interpolate(mask[None].float(), size=features.shape[-2:]).to(torch.bool)[0]

    def heads(self, state: Tensor, point: Tensor | None) -> tuple[Tensor, Tensor]:
        """state [Q, B, D], point [Q, B, 2] in logit space."""
        boxes = self.bbox_embed(state)
        if point is not None:
            boxes = torch.cat((boxes[..., :2] + point, boxes[..., 2:]), dim=-1)
        return self.class_embed(state).transpose(0, 1), boxes.sigmoid().transpose(0, 1)

    def all_layers(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Logits and boxes after each layer of the decoder: training looks at all, a file holds the last."""
        features = self.input_proj(self.backbone(image))
        batch, _, height, width = features.shape
        seen_all = torch.zeros((batch, height, width), dtype=torch.bool, device=image.device)
        mask = self._mask(image, features) if self.masked else seen_all
        pos = self.positions(mask).flatten(2).permute(2, 0, 1)
        padded = mask.flatten(1) if self.masked else None
        memory = features.flatten(2).permute(2, 0, 1)
        for layer in self.encoder:
            memory = layer(memory, pos, padded)
        query_pos = self.query_pos.unsqueeze(1).repeat(1, batch, 1)
        target = torch.zeros_like(query_pos) if self.query is None else self.query.unsqueeze(1).repeat(1, batch, 1)
        states, point = self.decoder(target, query_pos, memory, pos, padded, (height, width))
        return [self.heads(state, point) for state in states]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.all_layers(image)[-1]
