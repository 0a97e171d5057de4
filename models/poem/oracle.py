"""numpy oracle of the networks in the exact arithmetic of the packed file (kernels/README.md, converter/README.md).

The real-valued layers are read from the exported file, since torch folds their BatchNormalization. That of a 1-bit one is a factor
and an offset, fl(gamma / sqrt(var + eps)) and fl(beta - mean * factor) of double values; behind a convolution factor and learned
scale are one product of doubles, rounded once, behind a fully connected layer they are two. Recorded: codesI, the int8 signs that the
I-th 1-bit layer reads, [rows, channels]; indices; logits. Activations are [points..., channels] throughout.
"""

from pathlib import Path

import fp32
import numpy as np
import onnx
from model import Dgcnn, PointNet, SetAbstraction, Transform
from onnx import numpy_helper
from parameters import affine, array
from quantizers import BiFc, RealFc
from tape import Tape, exact_product, write_records
from torch import nn

f32, f64 = np.float32, np.float64


def prelu(x: np.ndarray, layer: nn.PReLU) -> np.ndarray:
    return np.where(x < 0, x * array(layer.weight), x)


def real_layers(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of the convolutions whose weights are initializers, in the order of the graph."""
    graph = onnx.load(str(path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    convs = [n.input for n in graph.node if n.op_type == "Conv" and n.input[1] in constants]
    return [(constants[inputs[1]].reshape(len(constants[inputs[1]]), -1), constants[inputs[2]]) for inputs in convs]


def squared_distances(points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """[M, N], summed over ascending coordinates."""
    total = None
    for c in range(points.shape[1]):
        d = points[None, :, c] - queries[:, None, c]
        total = d * d if total is None else total + d * d
    return total


def farthest_point_sample(points: np.ndarray, count: int) -> np.ndarray:
    nearest, chosen = np.full(len(points), np.inf, f32), [0]
    for _ in range(count - 1):
        nearest = np.minimum(nearest, squared_distances(points, points[chosen[-1]][None])[0])
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def ball_query(points: np.ndarray, centres: np.ndarray, radius: float, count: int) -> np.ndarray:
    inside = squared_distances(points, centres) <= f32(float(f32(radius)) ** 2)
    rows = [np.flatnonzero(row)[:count] for row in inside]
    return np.stack([np.pad(row, (0, count - len(row)), constant_values=row[0] if len(row) else 0) for row in rows])


def knn_graph(points: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(squared_distances(points, queries), axis=1, kind="stable")[:, :k]


class Oracle:
    """One run of one cloud."""

    def __init__(self, model: nn.Module, real: list, tape: Tape):
        self.model, self.real, self.tape = model, list(real), tape
        self.layers = self.samples = 0

    def indices(self, index: np.ndarray) -> np.ndarray:
        self.tape.record(f"indices{self.samples}", index.astype(np.int64))
        self.samples += 1
        return index

    def bi_fc(self, unit: BiFc, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(-1, x.shape[-1])
        factor, offset = affine(unit.bn1)
        codes = np.sign(rows * factor + offset).astype(np.int8)
        self.tape.record(f"codes{self.layers}", codes)
        self.layers += 1
        acc = exact_product(codes, np.sign(array(unit.weight)).T).astype(f32)
        factor, offset = affine(unit.bn2)
        scale = array(unit.scale)
        if unit.rank > 2:
            y = acc * (scale.astype(f64) * factor.astype(f64)).astype(f32) + offset
        else:
            y = (acc * scale) * factor + offset
        return prelu(y, unit.prelu).reshape(*x.shape[:-1], -1)

    def real_fc(self, unit: RealFc, x: np.ndarray) -> np.ndarray:
        y = fp32.gemm(x.reshape(-1, x.shape[-1]), *self.real.pop(0))
        return prelu(y, unit.prelu).reshape(*x.shape[:-1], -1)

    def stack(self, layers: nn.Sequential, x: np.ndarray) -> np.ndarray:
        for unit in layers:
            x = self.real_fc(unit, x) if isinstance(unit, RealFc) else self.bi_fc(unit, x)
        return x

    def linear(self, layer: nn.Linear, x: np.ndarray) -> np.ndarray:
        return fp32.gemm(x, array(layer.weight), array(layer.bias))

    def transform(self, net: Transform, x: np.ndarray) -> np.ndarray:
        y = self.stack(net.head, self.stack(net.features, x).max(0)[None])
        y = self.bi_fc(net.last, y) if isinstance(net.last, BiFc) else self.linear(net.last, y)
        return y.reshape(net.size, net.size) + np.eye(net.size, dtype=f32)

    def pointnet(self, points: np.ndarray) -> np.ndarray:
        net = self.model
        x = fp32.chain(points, self.transform(net.input_transform, points).T)
        x = self.stack(net.first, x)
        x = fp32.chain(x, self.transform(net.feature_transform, x).T)
        return self.stack(net.trunk, x).max(0)

    def dgcnn(self, points: np.ndarray) -> np.ndarray:
        net, x, levels = self.model, points, []
        k = net.cfg.neighbours
        for edge in net.edges:
            index = self.indices(knn_graph(x, x, k))
            centre = np.broadcast_to(x[:, None], (len(x), k, x.shape[1]))
            x = self.stack(edge, np.concatenate([x[index] - centre, centre], 2)).max(1)
            levels.append(x)
        x = self.stack(net.embedding, np.concatenate(levels, 1))
        total = np.zeros(x.shape[1], f32)
        for row in x:
            total = total + row
        return np.concatenate([x.max(0), total / f32(len(x))])

    def abstraction(self, level: SetAbstraction, points: np.ndarray, features) -> tuple[np.ndarray, np.ndarray]:
        if not level.centroids:
            return points, self.stack(level.layers, np.concatenate([points, features], 1)[None]).max(1)
        centres = points[self.indices(farthest_point_sample(points, level.centroids))]
        index = self.indices(ball_query(points, centres, level.radius, level.neighbours))
        grouped = points[index] - centres[:, None]
        if features is not None:
            grouped = np.concatenate([grouped, features[index]], 2)
        return centres, self.stack(level.layers, grouped).max(1)

    def pointnet2(self, points: np.ndarray) -> np.ndarray:
        features = None
        for level in self.model.levels:
            points, features = self.abstraction(level, points, features)
        return features[0]

    def run(self, points: np.ndarray) -> np.ndarray:
        network = self.pointnet if isinstance(self.model, PointNet) else self.dgcnn if isinstance(self.model, Dgcnn) else self.pointnet2
        x = self.stack(self.model.head, network(points)[None])
        return self.tape.record("logits", self.linear(self.model.last, x)[0])


def run(model: nn.Module, real: list, points: np.ndarray, tape: Tape) -> np.ndarray:
    """points [N, 3] float32 -> logits [classes]."""
    return Oracle(model, real, tape).run(points)


def report(model: nn.Module, real: list, clouds: np.ndarray) -> list[dict]:
    return write_records(lambda cloud, tape: run(model, real, cloud, tape), clouds)
