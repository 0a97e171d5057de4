"""Times Bittern's product of floats by weights in groups and onnxruntime's MatMulNBits on the same shapes, in one run.

    python bench/kernels/peers_groups.py --bench build/release/bench/kernels/bittern_bench_kernels [--avx2 DIR]

Both multiply fp32 activations by codes of 32 to a scale (K = N = 1024), with fp32 sums: onnxruntime's accuracy_level 1.
One thread on one core, the two in turn, minima. A ratio is onnxruntime's time over ours. --avx2 DIR confines both to AVX2:
DIR is what bench/e2e/confine.py wrote.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from peers import ROUND_S, bench_times

N, K, GROUP = 1024, 1024, 32
ROWS = (1, 128)
# Bits and whether there are zero points, as bench/kernels/gemm_cases.h has them.
FORMS = {"w2g32f32": (2, True), "w4g32f32": (4, False), "w8g32f32": (8, True)}


def session(bits: int, zeros: bool, rows: int):
    import onnxruntime

    random = np.random.default_rng(0)
    groups = K // GROUP
    inputs = {"b": random.integers(0, 256, (N, groups, GROUP * bits // 8), dtype=np.uint8),
              "scales": random.uniform(0.01, 0.1, (N * groups)).astype(np.float32)}
    if zeros:
        inputs["zero_points"] = random.integers(0, 256, N * groups * bits // 8, dtype=np.uint8)
    node = helper.make_node("MatMulNBits", ["a", *inputs], ["y"], domain="com.microsoft", K=K, N=N, bits=bits, block_size=GROUP,
                            accuracy_level=1)
    graph = helper.make_graph(
        [node], "product", [helper.make_tensor_value_info("a", TensorProto.FLOAT, [rows, K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, N])],
        [numpy_helper.from_array(value, name) for name, value in inputs.items()])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = made.io_binding()
    binding.bind_cpu_input("a", random.standard_normal((rows, K), dtype=np.float32))
    binding.bind_output("y", "cpu")
    return lambda: made.run_with_iobinding(binding)


def least_seconds(run) -> float:
    least, end = float("inf"), time.perf_counter() + ROUND_S
    while (begin := time.perf_counter()) < end:
        run()
        least = min(least, time.perf_counter() - begin)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=Path("build/release/bench/kernels/bittern_bench_kernels"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--avx2", type=Path, metavar="DIR", help="confine both to AVX2; DIR is what bench/e2e/confine.py wrote")
    args = parser.parse_args()
    if args.avx2:
        sys.path.insert(0, str(args.avx2.resolve()))
    os.sched_setaffinity(0, {args.core})
    isa = "avx2" if args.avx2 else "avx2|avx512|neon"
    for form, (bits, zeros) in FORMS.items():
        for rows in ROWS:
            run = session(bits, zeros, rows)
            least = {}
            for _ in range(args.rounds):
                times = bench_times(args.bench, args.core, f"^gemm/wgxf32/fma/({isa})/{rows}x{N}x{K}/{form}$")
                for name, seconds in (times | {"onnxruntime": least_seconds(run)}).items():
                    least[name] = min(seconds, least.get(name, float("inf")))
            theirs = least.pop("onnxruntime")
            name = min(least, key=least.get)
            print(f"{form} {rows}x{N}x{K}: onnxruntime {theirs * 1e6:7.1f} us, {name.split('/')[3]} {least[name] * 1e6:7.1f} us, "
                  f"ratio {theirs / least[name]:.2f}")


if __name__ == "__main__":
    main()
