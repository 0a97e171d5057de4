"""Times Bittern's 1-bit convolutions against OpenVINO's BinaryConvolution on the layers of ResNet-18, in one run.

    python bench/kernels/peers_conv.py --bench build/release/bench/kernels/bittern_bench_kernels [--avx2 DIR] [--json OUT.json]

One thread on one core, in turn, the minimum of all rounds. "layer": fp32 pixels in, sign, convolution, scale, fp32 pixels
out; for OpenVINO an inference of FakeQuantize (2 levels) and BinaryConvolution, less an inference of an empty model.
"kernel": Bittern with planes of bits in (fp32 out all the same); for OpenVINO the time its profiler gives for the
BinaryConvolution node alone, without the quantiser and the reorders around it. A ratio is OpenVINO's time over Bittern's.
Both pad with exact zeros.

--avx2 DIR confines both to AVX2: OpenVINO is the copy that bench/e2e/confine.py wrote to DIR.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SHAPES = [  # input channels, size, filters, stride: 3x3, padding 1
    (64, 56, 64, 1), (128, 28, 128, 1), (256, 14, 256, 1), (512, 7, 512, 1),
    (64, 56, 128, 2), (128, 28, 256, 2), (256, 14, 512, 2),
]  # fmt: skip
WORKER_SWITCH = "--worker"
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}


def shape_name(shape: tuple) -> str:
    ic, size, oc, stride = shape
    return f"{ic}x{size}x{size}-{oc}k3s{stride}"


def worker(runs: int) -> None:
    """Answers each line of stdin, an index into SHAPES, with the best times of `runs` inferences in us."""
    import openvino as ov
    from openvino import opset1

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}

    def request(model: ov.Model, profile: bool) -> ov.InferRequest:
        return core.compile_model(model, "CPU", settings | {"PERF_COUNT": profile}).create_infer_request()

    def layer(shape: tuple) -> ov.Model:
        ic, size, oc, stride = shape
        x = opset1.parameter([1, ic, size, size], np.float32)
        zero, low, high = (opset1.constant(np.full(1, value, np.float32)) for value in (0, -1, 1))
        bits = np.random.default_rng(0).integers(0, 256, oc * ic * 9 // 8, dtype=np.uint8)
        filters = ov.op.Constant(ov.Tensor(bits, ov.Shape([oc, ic, 3, 3]), ov.Type.u1))
        pads = [1, 1]
        sign = opset1.fake_quantize(x, zero, zero, low, high, 2)
        convolution = opset1.binary_convolution(sign, filters, [stride, stride], pads, pads, [1, 1], "xnor-popcount", 0.0)
        scale = opset1.constant(np.full([1, oc, 1, 1], 0.5, np.float32))
        return ov.Model([opset1.multiply(convolution, scale)], [x], "layer")

    x = opset1.parameter([1], np.float32)
    empty = request(ov.Model([opset1.relu(x)], [x], "empty"), False)
    plain = [request(layer(shape), False) for shape in SHAPES]
    profiled = [request(layer(shape), True) for shape in SHAPES]
    images = [np.random.default_rng(1).standard_normal((1, s[0], s[1], s[1]), np.float32) for s in SHAPES]

    def best_us(infer: ov.InferRequest, image: np.ndarray) -> float:
        best = float("inf")
        for _ in range(runs):
            start = time.perf_counter()
            infer.infer([image], share_inputs=True, share_outputs=True)
            best = min(best, time.perf_counter() - start)
        return best * 1e6

    print(json.dumps({"version": ov.__version__}), flush=True)
    for line in sys.stdin:
        index = int(line)
        nodes = []
        for _ in range(runs):
            profiled[index].infer([images[index]], share_inputs=True, share_outputs=True)
            nodes += [node for node in profiled[index].profiling_info if node.node_type == "BinaryConvolution"]
        reply = {
            "layer_us": best_us(plain[index], images[index]) - best_us(empty, np.zeros(1, np.float32)),
            "kernel_us": min(node.real_time.total_seconds() for node in nodes) * 1e6,
            "exec_type": nodes[0].exec_type,
        }
        print(json.dumps(reply), flush=True)


def bittern(bench: Path, shape: tuple, targets: list[str]) -> dict:
    """The fastest kernel of the shape that the targets allow, and its times."""
    command = [
        str(bench), f"--benchmark_filter=^conv/.*/({'|'.join(targets)})/{shape_name(shape)}(/layer)?$",
        "--benchmark_min_time=0.005", "--benchmark_repetitions=6", "--benchmark_format=json",
    ]  # fmt: skip
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["benchmarks"]
    to_us = {"ns": 1e-3, "us": 1, "ms": 1e3}
    times = {}
    for row in rows:
        if row["run_type"] == "iteration":
            us = row["real_time"] * to_us[row["time_unit"]]
            times[row["run_name"]] = min(us, times.get(row["run_name"], us))
    name = min((name for name in times if not name.endswith("/layer")), key=times.__getitem__)
    return {"kernel": name.removesuffix("/" + shape_name(shape)), "kernel_us": times[name], "layer_us": times[name + "/layer"]}


def keep_best(best: dict, index: int, got: dict) -> None:
    for key in ("layer_us", "kernel_us"):
        if index in best and best[index][key] < got[key]:
            got[key] = best[index][key]
    best[index] = got


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--avx2", type=Path, metavar="DIR", help="confine both to AVX2; DIR is what bench/e2e/confine.py wrote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=30, help="inferences of OpenVINO a round")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    environment = dict(os.environ) | (AVX2 | {"PYTHONPATH": str(args.avx2.resolve())} if args.avx2 else {})
    command = [sys.executable, __file__, WORKER_SWITCH, str(args.runs)]
    peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    version = json.loads(peer.stdout.readline())["version"]
    targets = ["avx2"] if args.avx2 else ["avx2", "avx512", "avx512vnni", "avx512dl", "neon", "neondot"]
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        for index, shape in enumerate(SHAPES):
            keep_best(ours, index, bittern(args.bench, shape, targets))
            peer.stdin.write(f"{index}\n")
            peer.stdin.flush()
            keep_best(theirs, index, json.loads(peer.stdout.readline()))
    peer.stdin.close()
    peer.wait()

    print(f"OpenVINO {version}, {theirs[0]['exec_type']}; us, minimum of {args.rounds} rounds")
    print("| layer | Bittern's kernel | layer: Bittern | OpenVINO | ratio | kernel: Bittern | OpenVINO | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for index, shape in enumerate(SHAPES):
        cells = [shape_name(shape), ours[index]["kernel"]]
        for key in ("layer_us", "kernel_us"):
            a, b = ours[index][key], theirs[index][key]
            cells += [f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}"]
        print("| " + " | ".join(cells) + " |")
    if args.json:
        rows = {shape_name(shape): {"bittern": ours[i], "openvino": theirs[i]} for i, shape in enumerate(SHAPES)}
        args.json.write_text(json.dumps({"openvino": version, "avx2": bool(args.avx2), "layers": rows}, indent=1) + "\n")


if __name__ == "__main__":
    if WORKER_SWITCH in sys.argv:
        worker(int(sys.argv[-1]))
    else:
        main()
