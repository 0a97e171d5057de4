"""Times POEM's PointNet against onnxruntime and OpenVINO on the float network, and the point operators against numpy.

    python models/poem/export.py --size pointnet --out DIR --float
    python bench/e2e/points.py --dir DIR --bittern build/release/bittern [--rounds 5] [--json OUT.json]

One thread each. All are asked in turn, a few runs a round, so that a slow minute of the machine hits all alike; minima are compared.
The operators, on 1,024 points: 512 farthest points, 512 balls of 32, the 20 nearest neighbours of every point in 3 and in 64
dimensions; numpy's versions work on all distances at once, onnxruntime's neighbours are DGCNN's MatMul and TopK.
"""

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

POINTS, CENTRES, RADIUS, BALL, NEAR = 1024, 512, 0.2, 32, 20
LAST_LINE = re.compile(r"median_ms=([\d.]+) min_ms=([\d.]+)")


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]


def numpy_farthest(x: np.ndarray) -> np.ndarray:
    nearest, chosen = np.full(len(x), np.inf, np.float32), np.zeros(CENTRES, np.int64)
    for i in range(1, CENTRES):
        d = x - x[chosen[i - 1]]
        np.minimum(nearest, np.einsum("nc,nc->n", d, d), out=nearest)
        chosen[i] = nearest.argmax()
    return chosen


def numpy_ball(x: np.ndarray) -> np.ndarray:
    inside = squared_distances(x[:CENTRES], x) <= RADIUS**2
    index = np.where(inside, np.arange(len(x)), len(x))
    index = np.sort(np.partition(index, BALL - 1)[:, :BALL])
    return np.where(index == len(x), index[:, :1], index)


def numpy_nearest(x: np.ndarray) -> np.ndarray:
    d = squared_distances(x, x)
    index = np.argpartition(d, NEAR - 1)[:, :NEAR]
    return np.take_along_axis(index, np.argsort(np.take_along_axis(d, index, 1)), 1)


def write(path: Path, nodes: list, inputs: dict, output: list[int], constants: tuple = ()) -> None:
    graph = helper.make_graph(
        nodes, "points", [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.INT64, output)], list(constants))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("bittern", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))


def gram(path: Path, channels: int) -> None:
    """DGCNN's neighbours, largest of -|x|^2 + 2 x x - |x|^2."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), node("MatMul", ["x", "t"], ["g"]), node("Mul", ["g", "two"], ["i"]),
        node("Mul", ["t", "t"], ["s"]), node("ReduceSum", ["s", "axis"], ["r"], keepdims=1), node("Neg", ["r"], ["n"]),
        node("Sub", ["n", "i"], ["d"]), node("Transpose", ["r"], ["c"], perm=[0, 2, 1]), node("Sub", ["d", "c"], ["e"]),
        node("TopK", ["e", "k"], ["v", "y"], axis=-1, largest=1, sorted=1),
    ]
    constants = (helper.make_tensor("two", TensorProto.FLOAT, [], [-2.0]), helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
                 helper.make_tensor("k", TensorProto.INT64, [1], [NEAR]))
    write(path, nodes, {"x": [1, POINTS, channels]}, [1, POINTS, NEAR], constants)


def native(folder: Path) -> None:
    def op(name: str, kind: str, inputs: dict, output: list[int], **attributes) -> None:
        node = helper.make_node(kind, list(inputs), ["y"], domain="bittern", **attributes)
        write(folder / f"{name}.onnx", [node], inputs, output)

    cloud = [1, POINTS, 3]
    op("farthest", "FarthestPointSample", {"x": cloud}, [1, CENTRES], count=CENTRES)
    op("ball", "BallQuery", {"x": cloud, "c": [1, CENTRES, 3]}, [1, CENTRES, BALL], radius=RADIUS, count=BALL)
    for channels in (3, 64):
        op(f"nearest{channels}", "KnnGraph", {"x": [1, POINTS, channels]}, [1, POINTS, NEAR], k=NEAR)
        gram(folder / f"gram{channels}.onnx", channels)


class Bittern:
    def __init__(self, tool: str, model: Path):
        self.command, self.best = [tool, "bench", str(model.with_suffix(".bittern")), "--threads", "1", "--min-time", "0.3"], np.inf
        subprocess.run([tool, "convert", str(model), "-o", str(model.with_suffix(".bittern"))], check=True, capture_output=True)

    def round(self) -> None:
        text = subprocess.run(self.command, check=True, capture_output=True, text=True).stdout
        self.best = min(self.best, float(LAST_LINE.search(text).group(2)))


class Call:
    """Any function, timed for 0.3 s a round."""

    def __init__(self, run):
        self.run, self.best = run, np.inf
        run()

    def round(self) -> None:
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            start = time.perf_counter()
            self.run()
            self.best = min(self.best, 1e3 * (time.perf_counter() - start))


def onnxruntime_call(path: Path, x: np.ndarray) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Call(lambda: session.run(None, {name: x[None]}))


def openvino_call(path: Path, x: np.ndarray) -> Call:
    import openvino

    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(str(path), "CPU", options).create_infer_request()
    return Call(lambda: request.infer([x[None]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--bittern", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    native(args.dir)
    r = np.random.default_rng(1)
    cloud = r.uniform(-0.6, 0.6, (POINTS, 3)).astype(np.float32)
    features = r.normal(size=(POINTS, 64)).astype(np.float32)
    tool = lambda name: Bittern(args.bittern, args.dir / f"{name}.onnx")
    groups = {
        "PointNet": {
            "bittern, 1 bit": tool("pointnet"),
            "onnxruntime fp32": onnxruntime_call(args.dir / "pointnet_float.onnx", cloud),
            "openvino fp32": openvino_call(args.dir / "pointnet_float.onnx", cloud),
        },
        "512 farthest points": {"bittern": tool("farthest"), "numpy": Call(lambda: numpy_farthest(cloud))},
        "512 balls of 32": {"bittern": tool("ball"), "numpy": Call(lambda: numpy_ball(cloud))},
    }
    for channels, x in ((3, cloud), (64, features)):
        groups[f"20 neighbours, {channels} dimensions"] = {
            "bittern KnnGraph": tool(f"nearest{channels}"),
            "bittern MatMulTopK": tool(f"gram{channels}"),
            "numpy": Call(lambda x=x: numpy_nearest(x)),
            "onnxruntime MatMul, TopK": onnxruntime_call(args.dir / f"gram{channels}.onnx", x),
        }
    for _ in range(args.rounds):
        for group in groups.values():
            for runner in group.values():
                runner.round()
    result = {name: {who: round(runner.best, 4) for who, runner in group.items()} for name, group in groups.items()}
    for name, times in result.items():
        first = next(iter(times.values()))
        print(name)
        for who, ms in times.items():
            print(f"  {who:28s} {ms:9.3f} ms {ms / first:7.1f} x")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
