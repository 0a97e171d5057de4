"""Confines other engines to AVX2 on a CPU that has more, so that an AVX2-only CPU can be stood in for.

    python bench/e2e/confine.py --out DIR        copies of the installed onnxruntime and OpenVINO without AVX-512 and AVX-VNNI

Neither has a switch for all of its code. Their kernel libraries ask CPUID once and then take AVX-512 kernels if the AVX512F
bit is set: MLAS (in onnxruntime, and in OpenVINO's CPU plugin for float products) and Xbyak, the assembler behind everything
that OpenVINO generates. In the copies the conditional jumps behind these tests are made unconditional, as if the bits were
clear. The tests are found by their bytes and must be found exactly as often as listed; another version may need other bytes,
and says so. ONEDNN_MAX_CPU_ISA alone leaves OpenVINO's float products and binary convolution on AVX-512.
"""

import argparse
import importlib.util
import re
import shutil
import sys
from pathlib import Path

ENVIRONMENT = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
CONFINED = ("onnxruntime", "openvino")  # packages that obey
# je rel8 becomes jmp rel8; je rel32 becomes nop, jmp rel32: the same length and target.
JUMPS = {b"\x74": b"\xeb", b"\x0f\x84": b"\x90\xe9"}

# test r10d, AVX512F; je rel8. The same in OpenVINO's build of MLAS: test r9d, AVX512F; je rel32.
MLAS_AVX512F = re.compile(rb"\x41\xf7\xc2\x00\x00\x01\x00(\x74)")
OPENVINO_MLAS_AVX512F = re.compile(rb"\x41\xf7\xc1\x00\x00\x01\x00(\x0f\x84)")
# cpuid(7, 0); test ebx, AVX512F; je rel32
XBYAK_AVX512F = re.compile(rb"\x0f\xa2\xf7\xc3\x00\x00\x01\x00(\x0f\x84)")
# cpuid(7, 1); test al, AVX-VNNI; je rel8, in MLAS and in Xbyak
AVX_VNNI = re.compile(rb"\x0f\xa2\xa8\x10(\x74)")

# Package, library, and how often each test stands in it.
LIBRARIES = (
    ("onnxruntime", "capi/onnxruntime_pybind11_state*.so", {MLAS_AVX512F: 1, AVX_VNNI: 1}),
    ("openvino", "libs/libopenvino_intel_cpu_plugin.so", {OPENVINO_MLAS_AVX512F: 1, XBYAK_AVX512F: 1, AVX_VNNI: 2}),
    ("openvino", "libs/libopenvino.so.*", {XBYAK_AVX512F: 1, AVX_VNNI: 1}),
)


def patch(library: Path, tests: dict[re.Pattern[bytes], int]) -> None:
    code = bytearray(library.read_bytes())
    for pattern, count in tests.items():
        found = [match.span(1) for match in pattern.finditer(code)]
        if len(found) != count:
            sys.exit(f"confine.py: {library.name}: test {pattern.pattern!r}: got {len(found)} places, expected {count}")
        for begin, end in found:
            code[begin:end] = JUMPS[bytes(code[begin:end])]
    library.write_bytes(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to put first in PYTHONPATH")
    args = parser.parse_args()
    for package in CONFINED:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            sys.exit(f"confine.py: {package}: not installed, expected bench/requirements.txt")
        shutil.copytree(Path(spec.origin).parent, args.out / package, dirs_exist_ok=True)
    for package, name, tests in LIBRARIES:
        libraries = list((args.out / package).glob(name))
        if len(libraries) != 1:
            sys.exit(f"confine.py: {args.out / package}/{name}: got {len(libraries)} libraries, expected 1")
        patch(libraries[0], tests)
    print(f"wrote {' and '.join(str(args.out / package) for package in CONFINED)}")


if __name__ == "__main__":
    main()
