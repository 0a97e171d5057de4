"""DETR's transformer with Q-DETR's quantisers; sequences stand first, [tokens, batch, channels], as in the published code.

Projections of attention have low-bit weights alone; q, k, v and the probabilities have 8 bits, a scale and zero point per head; the
feed-forward layers are low-bit on both sides. SMCA adds to the scores of cross-attention a Gaussian around each query's point.
"""

import math

import common  # noqa: F401  (../common)
import torch
from quantizers import Bits, DistributionAlignment
from torch import Tensor, nn

SMOOTH = 8  # of SMCA's Gaussian


class Mlp(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int):
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1) + [outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class Attention(nn.Module):
    """`align`: DA's norm on q. `gaussian` [L, S, B H] is added to the scores; `padded` [B, S] hides keys."""

    def __init__(self, dim: int, heads: int, bits: Bits, align: bool = False):
        super().__init__()
        self.dim, self.heads = dim, heads
        self.in_proj, self.out_proj = bits.projection(dim, 3 * dim), bits.projection(dim, dim)
        self.norm_q = DistributionAlignment(dim // heads) if align else None
        self.q_act, self.k_act, self.v_act = (bits.of_heads(heads, True) for _ in range(3))
        self.attn_act = bits.of_heads(heads, False)

    def _split(self, x: Tensor) -> Tensor:
        """[L, B, D] -> [B, H, L, d]."""
        length, batch, _ = x.shape
        return x.contiguous().view(length, batch, self.heads, self.dim // self.heads).permute(1, 2, 0, 3)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, gaussian: Tensor | None, padded: Tensor | None) -> Tensor:
        length, batch, dim = query.shape
        weight, bias = self.in_proj.quantised_weight(), self.in_proj.bias
        q = self._split(nn.functional.linear(query, weight[:dim], bias[:dim]))
        k = self._split(nn.functional.linear(key, weight[dim : 2 * dim], bias[dim : 2 * dim]))
        v = self._split(nn.functional.linear(value, weight[2 * dim :], bias[2 * dim :]))
        if self.norm_q is not None:
            q = self.norm_q(q)
        scores = self.q_act(q) @ self.k_act(k).transpose(-2, -1) * (dim // self.heads) ** -0.5
        if gaussian is not None:
            scores = scores + gaussian.permute(2, 0, 1).reshape(batch, self.heads, length, -1)
        if padded is not None:
            scores = scores.masked_fill(padded.unsqueeze(1).unsqueeze(2), float("-inf"))
        out = self.attn_act(scores.softmax(dim=-1)) @ self.v_act(v)
        return self.out_proj(out.permute(2, 0, 1, 3).contiguous().view(length, batch, dim))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int, bits: Bits):
        super().__init__()
        self.linear1, self.linear2 = bits.linear(dim, hidden, signed=True), bits.linear(hidden, dim, signed=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(torch.relu(self.linear1(x)))


class EncoderLayer(nn.Module):
    def __init__(self, cfg, bits: Bits):
        super().__init__()
        self.self_attn = Attention(cfg.dim, cfg.heads, bits)
        self.ffn = FeedForward(cfg.dim, cfg.feedforward, bits)
        self.norm1, self.norm2 = nn.LayerNorm(cfg.dim), nn.LayerNorm(cfg.dim)

    def forward(self, x: Tensor, pos: Tensor, padded: Tensor | None) -> Tensor:
        x = self.norm1(x + self.self_attn(x + pos, x + pos, x, None, padded))
        return self.norm2(x + self.ffn(x))


class DecoderLayer(nn.Module):
    def __init__(self, cfg, bits: Bits, align: bool, first: bool):
        super().__init__()
        self.self_attn = Attention(cfg.dim, cfg.heads, bits, align)
        self.cross_attn = Attention(cfg.dim, cfg.heads, bits)
        self.ffn = FeedForward(cfg.dim, cfg.feedforward, bits)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(cfg.dim) for _ in range(3))
        self.point1 = None
        if cfg.smca:
            self.norm4 = nn.LayerNorm(cfg.dim)
            self.point1 = Mlp(cfg.dim, cfg.dim, 2, 3) if first else None
            self.point2 = self._spread(nn.Linear(cfg.dim, 2 * cfg.heads), cfg.heads)
            self.point3 = nn.Linear(cfg.dim, 2 * cfg.heads)
            nn.init.zeros_(self.point3.weight)
            nn.init.ones_(self.point3.bias)

    @staticmethod
    def _spread(offset: nn.Linear, heads: int) -> nn.Linear:
        """Every head starts beside the point, on a circle."""
        angle = 2 * math.pi * torch.arange(heads) / heads
        nn.init.zeros_(offset.weight)
        with torch.no_grad():
            offset.bias.copy_(torch.stack((angle.cos(), angle.sin()), 1).flatten())
        return offset

    def gaussian(self, out: Tensor, centre: Tensor, grid: Tensor, heads: int) -> Tensor:
        """out [Q, B, D], centre [Q, B, 2] in pixels of the features, grid [S, B H, 2] -> [Q, S, B H]."""
        count = out.shape[0]
        point = (centre.repeat(1, 1, heads) + self.point2(out)).view(count, -1, 2)
        width = self.point3(out)
        width = (width * width).reshape(count, -1, 2).unsqueeze(1)
        distance = (point.unsqueeze(1) - grid.unsqueeze(0)).pow(2)
        return -(distance * width).sum(-1).abs() / SMOOTH

    def forward(self, x: Tensor, query_pos: Tensor, memory: Tensor, pos: Tensor, padded, gaussian: Tensor | None) -> Tensor:
        x = self.norm1(x + self.self_attn(x + query_pos, x + query_pos, x, None, None))
        x = self.norm2(x + self.cross_attn(x + query_pos, memory + pos, memory, gaussian, padded))
        return self.norm3(x + self.ffn(x))


class Decoder(nn.Module):
    """States after each layer, normalised, and SMCA's reference points in logit space; a network in use keeps the last state."""

    def __init__(self, cfg, bits: Bits, align: bool):
        super().__init__()
        self.heads = cfg.heads
        self.layers = nn.ModuleList(DecoderLayer(cfg, bits, align, i == 0) for i in range(cfg.decoder))
        self.norm = nn.LayerNorm(cfg.dim)

    def reference(self, out: Tensor) -> Tensor:
        return self.layers[0].point1(out)

    def _grid(self, size: tuple[int, int], batch: int, device) -> Tensor:
        y, x = torch.meshgrid(torch.arange(size[0], device=device), torch.arange(size[1], device=device), indexing="ij")
        return torch.stack((x, y), 2).float().reshape(-1, 2).unsqueeze(1).repeat(1, batch * self.heads, 1)

    def forward(self, x: Tensor, query_pos: Tensor, memory: Tensor, pos: Tensor, padded, size: tuple[int, int]):
        smca = self.layers[0].point1 is not None
        point = grid = centre = gaussian = None
        if smca:
            grid = self._grid(size, memory.shape[1], memory.device)
        states = []
        for layer in self.layers:
            if smca:
                out = layer.norm4(x + query_pos)
                if point is None:
                    point = self.reference(out)
                    extent = torch.stack([torch.as_tensor(size[1]), torch.as_tensor(size[0])]).to(point)
                    centre = extent * point.sigmoid()
                gaussian = layer.gaussian(out, centre, grid, self.heads)
            x = layer(x, query_pos, memory, pos, padded, gaussian)
            states.append(self.norm(x) if self.training else x)
        if not self.training:
            states = [self.norm(x)]
        return states, point
