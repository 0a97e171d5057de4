"""Times Bittern's float and 8-bit GEMM kernels and the MatMul of other engines on the same shapes, in one run.

    python bench/kernels/peers.py --bench build/release/bench/kernels/bittern_bench_kernels [--avx2 DIR] [--json OUT.json]

torch (its float product is MKL's, its 8-bit one oneDNN's), onnxruntime (MatMul, MatMulInteger) and OpenVINO (MatMul on
float and on quantised tensors). One thread, every engine one process pinned to one core, asked in turn, so that a slow
moment of the machine hits all alike; minima (Bittern's of means over the same time, of CPU time, so that a preemption is not
counted). A ratio is Bittern's rate over the fastest peer's. --avx2 DIR confines all to
AVX2: onnxruntime and OpenVINO from the copies that bench/e2e/confine.py wrote to DIR, torch through oneDNN's and MKL's
environment.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SHAPES = ((198, 192, 192), (198, 576, 192), (198, 768, 192), (198, 192, 768), (198, 1536, 384), (198, 384, 1536),
          (49, 3072, 768), (3136, 288, 96), (1024, 128, 64), (1024, 1024, 128))  # m, n, k
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
ROUND_S = 0.02
KINDS = {"f32": "f32", "int8": "w8a8"}  # and the family of Bittern's kernels beside them


def torch_runs(kind: str, m: int, n: int, k: int):
    import torch

    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    if kind == "f32":
        a = torch.from_numpy(random.standard_normal((m, k), dtype=np.float32))
        w = torch.from_numpy(random.standard_normal((n, k), dtype=np.float32))
        return lambda: torch.nn.functional.linear(a, w)
    a = torch.from_numpy(random.integers(-127, 128, (m, k), dtype=np.int8))
    w = torch.from_numpy(random.integers(-127, 128, (k, n), dtype=np.int8))
    return lambda: torch._int_mm(a, w)


def onnxruntime_runs(kind: str, m: int, n: int, k: int):
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    if kind == "f32":
        a = random.standard_normal((m, k), dtype=np.float32)
        w = random.standard_normal((k, n), dtype=np.float32)
        op, source, target = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
    else:
        a = random.integers(0, 256, (m, k), dtype=np.uint8)
        w = random.integers(-128, 128, (k, n)).astype(np.int8)
        op, source, target = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
    graph = helper.make_graph(
        [helper.make_node(op, ["a", "w"], ["y"])], "product", [helper.make_tensor_value_info("a", source, [m, k])],
        [helper.make_tensor_value_info("y", target, [m, n])], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("a", a)
    binding.bind_output("y", "cpu")
    return lambda: session.run_with_iobinding(binding)


def openvino_runs(kind: str, m: int, n: int, k: int):
    import openvino
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    if kind == "f32":
        a = random.standard_normal((m, k), dtype=np.float32)
        x = source = ops.parameter([m, k], np.float32)
        w = ops.constant(random.standard_normal((n, k), dtype=np.float32))
    else:
        a = random.integers(0, 256, (m, k), dtype=np.uint8)
        source = ops.parameter([m, k], np.uint8)
        x = ops.multiply(ops.convert(source, np.float32), ops.constant(np.float32(0.01)))
        codes = ops.constant(random.integers(-127, 128, (n, k)).astype(np.int8))
        w = ops.multiply(ops.convert(codes, np.float32), ops.constant(np.full((n, 1), 0.01, np.float32)))
    model = openvino.Model([ops.matmul(x, w, False, True)], [source])
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    request.set_input_tensor(openvino.Tensor(a))
    return request.infer


PEERS = {"torch": torch_runs, "onnxruntime": onnxruntime_runs, "openvino": openvino_runs}


def work(peer: str, core: int) -> None:
    """The process of one peer: a line `kind m n k` on stdin, the least seconds of one product on stdout."""
    os.sched_setaffinity(0, {core})
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    made = {}
    for line in sys.stdin:
        kind, *shape = line.split()
        if line not in made:
            made[line] = PEERS[peer](kind, *map(int, shape))
            for _ in range(3):
                made[line]()
        least, end = float("inf"), time.perf_counter() + ROUND_S
        while (begin := time.perf_counter()) < end:
            made[line]()
            least = min(least, time.perf_counter() - begin)
        print(json.dumps(least), file=replies)


class Worker:
    def __init__(self, peer: str, core: int, environment: dict[str, str]):
        command = [sys.executable, __file__, "--work", peer, "--core", str(core)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env=os.environ | environment)

    def seconds(self, kind: str, shape: tuple[int, int, int]) -> float:
        self.process.stdin.write(" ".join([kind, *map(str, shape)]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("worker ended")
        return json.loads(line)


def bench_times(bench: Path, core: int, pattern: str) -> dict[str, float]:
    """Seconds of each of Bittern's benches whose name matches."""
    done = subprocess.run(
        ["taskset", "-c", str(core), str(bench), f"--benchmark_filter={pattern}", "--benchmark_format=json",
         f"--benchmark_min_time={ROUND_S}"], capture_output=True, text=True, check=True)
    return {entry["name"]: entry["cpu_time"] * 1e-9 for entry in json.loads(done.stdout)["benchmarks"]}


def bittern_rates(bench: Path, core: int, isa: str, shape: str) -> dict[str, dict[str, float]]:
    """Seconds of each f32 and w8a8 kernel of these instruction sets."""
    found: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    for entry, seconds in bench_times(bench, core, f"^gemm/({'|'.join(KINDS.values())})/[^/]*/({isa})/{shape}$").items():
        _, family, kernel, target, _ = entry.split("/")
        kind = next(kind for kind, name in KINDS.items() if name == family)
        found[kind][f"{family}/{kernel}/{target}"] = seconds
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=Path("build/release/bench/kernels/bittern_bench_kernels"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--avx2", type=Path, metavar="DIR", help="confine all to AVX2; DIR is what bench/e2e/confine.py wrote")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(args.work, args.core)

    environment = AVX2 | {"PYTHONPATH": str(args.avx2.resolve())} if args.avx2 else {}
    isa = "avx2" if args.avx2 else "avx2|avxvnni|avx512[a-z]*|neon[a-z]*"
    workers = {peer: Worker(peer, args.core, environment) for peer in PEERS}
    results, failed = {}, {}
    for shape in SHAPES:
        text = "x".join(map(str, shape))
        least: dict[tuple[str, str], float] = {}
        for _ in range(args.rounds):
            for kind, kernels in bittern_rates(args.bench, args.core, isa, text).items():
                for name, seconds in kernels.items():
                    least[kind, name] = min(seconds, least.get((kind, name), float("inf")))
            for kind in KINDS:
                for peer, worker in workers.items():
                    if (peer, kind) in failed:
                        continue
                    try:
                        seconds = worker.seconds(kind, shape)
                        least[kind, peer] = min(seconds, least.get((kind, peer), float("inf")))
                    except (OSError, RuntimeError) as error:
                        failed[peer, kind] = str(error)
        macs = shape[0] * shape[1] * shape[2]
        results[text] = {f"{kind} {name}": macs / seconds / 1e9 for (kind, name), seconds in least.items()}

    ratios = {kind: [] for kind in KINDS}
    for text, rates in results.items():
        print(f"\n{text} (m x n x k), GMAC/s")
        for kind in KINDS:
            ours = {name: rate for name, rate in rates.items() if name.startswith(kind) and "/" in name}
            theirs = {name: rate for name, rate in rates.items() if name.startswith(kind) and "/" not in name}
            for name, rate in sorted((ours | theirs).items(), key=lambda item: -item[1]):
                print(f"  {rate:8.1f}  {name}")
            if ours and theirs:
                ratios[kind].append(max(ours.values()) / max(theirs.values()))
                print(f"  {ratios[kind][-1]:8.2f}  {kind}: ours / fastest peer")
    for kind, values in ratios.items():
        if values:
            print(f"\n{kind}: ours / fastest peer, median of the shapes {statistics.median(values):.2f}, least {min(values):.2f}")
    for (peer, kind), reason in failed.items():
        print(f"not run: {peer} {kind}: {reason}")
    if args.json:
        args.json.write_text(json.dumps({"avx2": bool(args.avx2), "gmacs": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
