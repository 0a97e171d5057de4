"""Confines other engines to AVX2 on a CPU that has more, so that an AVX2-only CPU can be stood in for.

    python bench/e2e/confine.py --out DIR        a copy of the installed onnxruntime without AVX-512 and AVX-VNNI

onnxruntime has no switch for it: its kernel library asks CPUID once and then takes AVX-512 kernels if the AVX512F bit is
set. In the copy the conditional jump behind each of these two tests is made unconditional, as if the bit were clear. The
tests are found by their bytes and must be found exactly once; another version may need other bytes, and says so.
OpenVINO needs no copy: ONEDNN_MAX_CPU_ISA=AVX2 in its environment confines what oneDNN runs; some elementwise kernels, some
float products and its binary convolution take AVX-512 all the same, which flatters OpenVINO.
"""

import argparse
import importlib.util
import re
import shutil
import sys
from pathlib import Path

ENVIRONMENT = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
CONFINED = ("onnxruntime", "openvino")  # packages that obey
JE, JMP = 0x74, 0xEB
# test r10d, AVX512F; je .   and, before it, behind cpuid(7, 1): test al, AVX-VNNI; je .
AVX512F = re.compile(rb"\x41\xf7\xc2\x00\x00\x01\x00\x74")
AVX_VNNI = re.compile(rb"\x0f\xa2\xa8\x10\x74")


def patch(library: Path) -> None:
    code = bytearray(library.read_bytes())
    for name, pattern in (("AVX512F", AVX512F), ("AVX-VNNI", AVX_VNNI)):
        found = [match.end() - 1 for match in pattern.finditer(code)]
        if len(found) != 1:
            sys.exit(f"confine.py: {library.name}: the test of {name}: got {len(found)} places, expected 1")
        assert code[found[0]] == JE
        code[found[0]] = JMP
    library.write_bytes(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to put first in PYTHONPATH")
    args = parser.parse_args()
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        sys.exit("confine.py: onnxruntime: not installed, expected bench/requirements.txt")
    copy = args.out / "onnxruntime"
    shutil.copytree(Path(spec.origin).parent, copy, dirs_exist_ok=True)
    libraries = list((copy / "capi").glob("onnxruntime_pybind11_state*.so"))
    if len(libraries) != 1:
        sys.exit(f"confine.py: {copy}/capi: got {len(libraries)} libraries, expected 1")
    patch(libraries[0])
    print(f"wrote {copy}")


if __name__ == "__main__":
    main()
