"""The patch embedding of Q-ViT; its other layers are those of ../common/lsq.py."""

import common  # noqa: F401  (../common)
from lsq import ConvQ


class PatchEmbedQ(ConvQ):
    """Non-overlapping patches; the input has a scale for each colour."""

    def __init__(self, channels: int, dim: int, patch: int, bits: int):
        super().__init__(channels, dim, patch, bits, stride=patch)
