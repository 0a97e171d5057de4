"""1-bit PointNet, DGCNN and PointNet++ (single-scale grouping) of Bi-FC units (POEM).

Real-valued are the layers that read coordinates, the last layer of the head, and the last of the 3x3 transform. Clouds are [B, points, 3].
"""

from dataclasses import dataclass

import points as ops
import torch
from quantizers import BiFc, stack
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    network: str
    classes: int
    head: tuple[int, ...]  # widths of the fully connected layers between features and logits
    trunk: tuple[int, ...] = ()  # PointNet: widths from the points to the features
    transform: tuple[int, ...] = ()  # PointNet: widths of the transforms' own PointNets, then | of their FCs
    transform_head: tuple[int, ...] = ()
    edges: tuple[int, ...] = ()  # DGCNN: widths of the edge convolutions
    neighbours: int = 0
    embedding: int = 0
    levels: tuple = ()  # PointNet++: (centroids, radius, neighbours, widths) of each set abstraction
    points: int = 1024


CONFIGS = {
    "pointnet": Config("pointnet", 40, (512, 256), (64, 128, 1024), (64, 128, 1024), (512, 256)),
    "dgcnn": Config("dgcnn", 40, (512, 256), edges=(64, 64, 128, 256), neighbours=20, embedding=1024),
    "pointnet2": Config("pointnet2", 40, (512, 256), levels=(
        (512, 0.2, 32, (64, 64, 128)), (128, 0.4, 64, (128, 128, 256)), (0, 0, 0, (256, 512, 1024)))),
    "solids_pointnet": Config("pointnet", 8, (128, 64), (64, 64, 256), (32, 64, 128), (64, 32)),
    "solids_dgcnn": Config("dgcnn", 8, (128, 64), edges=(32, 32, 64), neighbours=12, embedding=256),
    "solids_pointnet2": Config("pointnet2", 8, (128, 64), levels=(
        (128, 0.25, 16, (32, 32, 64)), (32, 0.5, 16, (64, 64, 128)), (0, 0, 0, (128, 256)))),
}


class Transform(nn.Module):
    """A square matrix for each cloud: PointNet's T-Net. Starts as the identity."""

    def __init__(self, size: int, widths: tuple[int, ...], head: tuple[int, ...]):
        super().__init__()
        self.size = size
        self.features = stack((size, *widths), 3, real=size == 3)
        self.head = stack((widths[-1], *head), 2, real=False)
        self.last = nn.Linear(head[-1], size * size) if size == 3 else BiFc(head[-1], size * size, 2)
        if size == 3:
            nn.init.zeros_(self.last.weight)
        else:
            nn.init.constant_(self.last.bn2.weight, 0.02)
        self.register_buffer("identity", torch.eye(size))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.last(self.head(self.features(x).amax(2)))
        return matrix.reshape(-1, self.size, self.size) + self.identity


class PointNet(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        width = cfg.trunk[0]
        self.input_transform = Transform(3, cfg.transform, cfg.transform_head)
        self.first = stack((3, width), 3, real=True)
        self.feature_transform = Transform(width, cfg.transform, cfg.transform_head)
        self.trunk = stack(cfg.trunk, 3, real=False)
        self.head = stack((cfg.trunk[-1], *cfg.head), 2, real=False)
        self.last = nn.Linear(cfg.head[-1], cfg.classes)

    def forward(self, points: Tensor) -> Tensor:
        matrix = self.input_transform(points.transpose(2, 1))
        x = self.first(torch.bmm(points, matrix).transpose(2, 1))
        x = torch.bmm(x.transpose(2, 1), self.feature_transform(x)).transpose(2, 1)
        return self.last(self.head(self.trunk(x).amax(2)))


def gather_points(x: Tensor, index: Tensor) -> Tensor:
    """x [B, N, C], index [B, ...] -> [B, ..., C]."""
    batch = torch.arange(x.shape[0], device=x.device).reshape(-1, *[1] * (index.dim() - 1))
    return x[batch, index]


def gram_knn(x: Tensor, k: int) -> Tensor:
    """The nearest neighbours as DGCNN's authors spell them; x [B, N, C]."""
    x = x.transpose(2, 1)
    inner = -2 * torch.matmul(x.transpose(2, 1), x)
    squares = torch.sum(x**2, dim=1, keepdim=True)
    return (-squares - inner - squares.transpose(2, 1)).topk(k=k, dim=-1)[1]


class Dgcnn(nn.Module):
    """Edge convolutions, each on the nearest neighbours among the features before it."""

    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        self.native_knn = True
        widths = (3, *cfg.edges)
        self.edges = nn.ModuleList([stack((2 * a, b), 4, real=i == 0) for i, (a, b) in enumerate(zip(widths, widths[1:]))])
        self.embedding = stack((sum(cfg.edges), cfg.embedding), 3, real=False)
        self.head = stack((2 * cfg.embedding, *cfg.head), 2, real=False)
        self.last = nn.Linear(cfg.head[-1], cfg.classes)

    def edge_features(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, 2C, N, k]: what leads to the neighbour, and the point itself."""
        k = self.cfg.neighbours
        index = ops.knn_graph(x, x, k) if self.native_knn else gram_knn(x, k)
        centre = x[:, :, None].expand(-1, -1, k, -1)
        return torch.cat([gather_points(x, index) - centre, centre], 3).permute(0, 3, 1, 2)

    def forward(self, points: Tensor) -> Tensor:
        x, levels = points, []
        for edge in self.edges:
            levels.append(edge(self.edge_features(x)).amax(3))
            x = levels[-1].transpose(2, 1)
        x = self.embedding(torch.cat(levels, 1))
        return self.last(self.head(torch.cat([x.amax(2), x.mean(2)], 1)))


class SetAbstraction(nn.Module):
    """Centroids, their balls' points relative to them with their features, layers, the maximum of each ball; or of all points."""

    def __init__(self, level: tuple, features: int):
        super().__init__()
        self.centroids, self.radius, self.neighbours, widths = level
        self.layers = stack((3 + features, *widths), 4, real=features == 0)

    def forward(self, points: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        if not self.centroids:
            grouped, centres = torch.cat([points, features], 2)[:, None], points
        else:
            centres = gather_points(points, ops.farthest_point_sample(points, self.centroids))
            index = ops.ball_query(points, centres, self.radius, self.neighbours)
            grouped = gather_points(points, index) - centres[:, :, None]
            if features is not None:
                grouped = torch.cat([grouped, gather_points(features, index)], 3)
        return centres, self.layers(grouped.permute(0, 3, 1, 2)).amax(3).transpose(2, 1)


class PointNet2(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        widths = (0, *(level[3][-1] for level in cfg.levels))
        self.levels = nn.ModuleList([SetAbstraction(level, width) for level, width in zip(cfg.levels, widths)])
        self.head = stack((widths[-1], *cfg.head), 2, real=False)
        self.last = nn.Linear(cfg.head[-1], cfg.classes)

    def forward(self, points: Tensor) -> Tensor:
        features = None
        for level in self.levels:
            points, features = level(points, features)
        return self.last(self.head(features[:, 0]))


NETWORKS = {"pointnet": PointNet, "dgcnn": Dgcnn, "pointnet2": PointNet2}


def build(size: str) -> nn.Module:
    cfg = CONFIGS[size]
    return NETWORKS[cfg.network](cfg)
