"""The point operators of Bittern's ONNX domain `bittern`, for PyTorch: eager reference, and how both exporters write them.

    farthest_point_sample(points [B, N, 3], count) -> [B, count]
    ball_query(points [B, N, 3], centres [B, M, 3], radius, count) -> [B, M, count]
    knn_graph(points [B, N, C], queries [B, M, C], k) -> [B, M, k]
    three_interpolate(queries [B, M, 3], points [B, N, 3], features [B, N, C]) -> [B, M, C]

Indices are int64. What they answer on ties, NaN and too few points: runtime/ops/README.md; the reference here is for ordinary clouds.
Nothing is to be told to torch.onnx.export, with dynamo or without.
"""

import torch
from torch import Tensor


def squared_distances(points: Tensor, queries: Tensor) -> Tensor:
    """[B, M, N], summed over ascending coordinates."""
    total = None
    for c in range(points.shape[-1]):
        d = points[:, None, :, c] - queries[:, :, None, c]
        total = d * d if total is None else total + d * d
    return total


@torch.library.custom_op("bittern::farthest_point_sample", mutates_args=())
def _farthest_point_sample(points: Tensor, count: int) -> Tensor:
    """Each point the farthest from those chosen before, the first of equals; from point 0 on."""
    batch = torch.arange(len(points))
    nearest = torch.full(points.shape[:2], torch.inf)
    chosen = torch.zeros(len(points), count, dtype=torch.int64)
    for i in range(1, count):
        last = points[batch, chosen[:, i - 1]][:, None]
        nearest = torch.minimum(nearest, squared_distances(points, last)[:, 0])
        chosen[:, i] = (nearest == nearest.amax(1, keepdim=True)).int().argmax(1)
    return chosen


@torch.library.custom_op("bittern::ball_query", mutates_args=())
def _ball_query(points: Tensor, centres: Tensor, radius: float, count: int) -> Tensor:
    """The first `count` points within the radius, by index; where there are fewer the first of them again, 0 without any."""
    inside = squared_distances(points, centres) <= torch.tensor(torch.tensor(radius).item() ** 2, dtype=torch.float32)
    n = points.shape[1]
    index = torch.where(inside, torch.arange(n), n).sort(-1).values[..., :count]
    first = torch.where(index[..., :1] == n, 0, index[..., :1])
    index = torch.where(index == n, first, index)
    return torch.cat([index, first.expand(*index.shape[:2], count - index.shape[2])], 2)


@torch.library.custom_op("bittern::knn_graph", mutates_args=())
def _knn_graph(points: Tensor, queries: Tensor, k: int) -> Tensor:
    """The k nearest points of each query, nearest first, the first of equals; a query that is a point is its own neighbour."""
    return squared_distances(points, queries).sort(dim=-1, stable=True).indices[..., :k].contiguous()


@torch.library.custom_op("bittern::three_interpolate", mutates_args=())
def _three_interpolate(queries: Tensor, points: Tensor, features: Tensor) -> Tensor:
    """Features of the three nearest points, weighted by 1 / (squared distance + 1e-8)."""
    distances = squared_distances(points, queries)
    index = distances.sort(dim=-1, stable=True).indices[..., :3]
    weights = 1 / (distances.gather(-1, index) + 1e-8)
    weights = weights / weights.sum(-1, keepdim=True)
    batch = torch.arange(len(points))[:, None, None]
    return (features[batch, index] * weights[..., None]).sum(2)


@_farthest_point_sample.register_fake
def _(points, count):
    return points.new_empty((points.shape[0], count), dtype=torch.int64)


@_ball_query.register_fake
def _(points, centres, radius, count):
    return points.new_empty((*centres.shape[:2], count), dtype=torch.int64)


@_knn_graph.register_fake
def _(points, queries, k):
    return points.new_empty((*queries.shape[:2], k), dtype=torch.int64)


@_three_interpolate.register_fake
def _(queries, points, features):
    return features.new_empty((*queries.shape[:2], features.shape[2]))


# --- both exporters


def _call(operator, name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, shape: tuple, **attributes) -> Tensor:
    """The dynamo exporter takes the ONNX operator as it is; anything else runs (or traces) PyTorch's."""
    if torch.onnx.is_in_onnx_export() and not torch.jit.is_tracing():
        return torch.onnx.ops.symbolic(f"bittern::{name}", inputs, attributes, dtype=dtype, shape=shape, version=1)
    return operator(*inputs, *attributes.values())


def farthest_point_sample(points: Tensor, count: int) -> Tensor:
    return _call(_farthest_point_sample, "FarthestPointSample", (points,), torch.int64, (points.shape[0], count), count=count)


def ball_query(points: Tensor, centres: Tensor, radius: float, count: int) -> Tensor:
    shape = (*centres.shape[:2], count)
    return _call(_ball_query, "BallQuery", (points, centres), torch.int64, shape, radius=radius, count=count)


def knn_graph(points: Tensor, queries: Tensor, k: int) -> Tensor:
    return _call(_knn_graph, "KnnGraph", (points, queries), torch.int64, (*queries.shape[:2], k), k=k)


def three_interpolate(queries: Tensor, points: Tensor, features: Tensor) -> Tensor:
    shape = (*queries.shape[:2], features.shape[2])
    return _call(_three_interpolate, "ThreeInterpolate", (queries, points, features), features.dtype, shape)


def _symbolic(name: str, inputs: int, attributes: tuple[str, ...], dtype: torch.dtype):
    from torch.onnx._internal.torchscript_exporter import symbolic_helper

    def symbolic(g, *args):
        values = {a: symbolic_helper._maybe_get_const(v, a[-1]) for a, v in zip(attributes, args[inputs:])}
        out = g.op(f"bittern::{name}", *args[:inputs], **values)
        return out.setType(args[0].type().with_dtype(dtype).with_sizes([None] * (2 if inputs == 1 else 3)))

    return symbolic


for _op, _name, _inputs, _attributes, _dtype in (
    ("farthest_point_sample", "FarthestPointSample", 1, ("count_i",), torch.int64),
    ("ball_query", "BallQuery", 2, ("radius_f", "count_i"), torch.int64),
    ("knn_graph", "KnnGraph", 2, ("k_i",), torch.int64),
    ("three_interpolate", "ThreeInterpolate", 3, (), torch.float32),
):
    torch.onnx.register_custom_op_symbolic(f"bittern::{_op}", _symbolic(_name, _inputs, _attributes, _dtype), 11)
