"""Builds what the other engines run: a network without quantisers, in each engine's own format, fp32 and int8.

    python bench/e2e/make_peers.py --size deit_tiny --out DIR [--tensorflow-python PY]

The network is the plain form of models/bivit (DeiT), models/tervit (Swin), models/rebnn (ResNet-18), models/qdetr (DETR on ResNet-50, whose image
is 800 x 1066) or models/poem (PointNet, 1,024 points): same tokens, heads and shapes as the packed models, random weights. LiteRT's files (DeiT only) need TensorFlow, which wants its own environment (bench/requirements-tflite.txt); PY is its
interpreter. For ResNet-18 OpenVINO also gets a 1-bit form (make_openvino_binary.py). A step that fails is written to DIR/unavailable.json with its
reason, and peers.py lists that engine so.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"deit_tiny": "bivit", "deit_small": "bivit", "deit_base": "qvit", "swin_tiny": "tervit", "swin_small": "tervit", "resnet18": "rebnn",
         "detr_r50": "qdetr", "pointnet": "poem"}


def images(size: str, count: int) -> np.ndarray:
    """Images [count, 3, H, W], or clouds [count, 1024, 3]."""
    if SIZES[size] == "poem":
        return np.random.default_rng(3).uniform(-0.6, 0.6, (count, 1024, 3)).astype(np.float32)
    sides = (800, 1066) if SIZES[size] == "qdetr" else (224, 224)
    return np.random.default_rng(3).standard_normal((count, 3, *sides)).astype(np.float32)


def calibration_images(size: str) -> list[np.ndarray]:
    """Fewer where one has 17 times the pixels."""
    return [image[None] for image in images(size, 2 if SIZES[size] == "qdetr" else 16)]


def make_fp32(out: Path, size: str) -> None:
    script = ROOT / "models" / SIZES[size] / "export.py"
    plain = {"tervit": ["--act", "plain"], "poem": ["--float"]}.get(SIZES[size], ["--plain"])
    subprocess.run([sys.executable, str(script), "--size", size, *plain, "--out", str(out)], check=True)
    (out / f"{size}_{'float' if SIZES[size] == 'poem' else 'plain'}.onnx").rename(out / "fp32.onnx")


def make_ort_dynamic(out: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(out / "fp32.onnx", out / "ort_int8_dynamic.onnx", weight_type=QuantType.QInt8)


def make_ort_static(out: Path, size: str) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    name = "points" if SIZES[size] == "poem" else "image"

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.queue = [{name: image} for image in calibration_images(size)]

        def get_next(self):
            return self.queue.pop() if self.queue else None

    quantize_static(
        out / "fp32.onnx", out / "ort_int8_static.onnx", Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm", "Conv"],
    )


def make_openvino(out: Path) -> None:
    import openvino

    openvino.save_model(openvino.convert_model(out / "fp32.onnx"), out / "openvino_fp32.xml", compress_to_fp16=False)


def make_openvino_int8(out: Path, size: str) -> None:
    import nncf
    import openvino

    model = openvino.Core().read_model(out / "openvino_fp32.xml")
    calibration = calibration_images(size)
    kind = None if SIZES[size] in ("rebnn", "poem") else nncf.ModelType.TRANSFORMER
    quantised = nncf.quantize(model, nncf.Dataset(calibration), model_type=kind, subset_size=len(calibration))
    openvino.save_model(quantised, out / "openvino_int8.xml", compress_to_fp16=False)


def make_openvino_binary(out: Path, size: str) -> None:
    if size != "resnet18":
        raise RuntimeError("BinaryConvolution fits convolutions only (--size resnet18)")
    import make_openvino_binary as binary

    binary.write_resnet18(out)


def _mnn_convert(out: Path, name: str, *options: str) -> None:
    converter = Path(sys.executable).with_name("mnnconvert")
    command = [str(converter), "-f", "ONNX", "--modelFile", str(out / "fp32.onnx"), "--MNNModel", str(out / name), "--bizCode", "bittern"]
    subprocess.run([*command, *options], check=True)
    if not (out / name).exists():
        raise RuntimeError("mnnconvert wrote no file")


def make_mnn(out: Path) -> None:
    _mnn_convert(out, "mnn_fp32.mnn")


def make_mnn_int8(out: Path) -> None:
    _mnn_convert(out, "mnn_int8_weights.mnn", "--weightQuantBits", "8")


def make_ncnn(out: Path, size: str) -> None:
    """fp32 alone: the tools that make ncnn's int8 files are not in its wheel."""
    shape = ",".join(str(side) for side in images(size, 1).shape)
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(out / "fp32.onnx", work)
        command = [str(Path(sys.executable).with_name("pnnx")), "fp32.onnx", f"inputshape=[{shape}]f32", "fp16=0"]
        said = subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace").stdout
        # It goes on without what it cannot express.
        lost = [line for line in said.splitlines() if "not supported" in line or "exceeds" in line]
        if lost:
            raise RuntimeError(f"pnnx: {lost[0]}")
        for suffix in ("param", "bin"):
            shutil.move(Path(work) / f"fp32.ncnn.{suffix}", out / f"ncnn_fp32.{suffix}")


def make_litert(out: Path, size: str, tensorflow_python: Path | None) -> None:
    if tensorflow_python is None:
        raise RuntimeError("no TensorFlow environment given (--tensorflow-python)")
    if not size.startswith("deit"):
        raise RuntimeError("make_tflite.py knows DeiT only")
    dump_weights(out, size)
    script = Path(__file__).with_name("make_tflite.py")
    subprocess.run([str(tensorflow_python), str(script), "--weights", str(out / "weights.npz"), "--out", str(out)], check=True)


def dump_weights(out: Path, size: str) -> None:
    """The plain model's state, by name, for make_tflite.py; the same seed as export.py --plain."""
    sys.path.insert(0, str(ROOT / "models" / SIZES[size]))
    import torch
    from model import CONFIGS, BiVit

    torch.manual_seed(1)
    state = BiVit(CONFIGS[size], plain=True).state_dict()
    np.savez(out / "weights.npz", **{name: value.numpy() for name, value in state.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="deit_tiny")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tensorflow-python", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    make_fp32(args.out, args.size)
    np.save(args.out / "input.npy", images(args.size, 1))
    unavailable = {}
    for engines, step in (
        (["ort_int8_dynamic"], lambda: make_ort_dynamic(args.out)),
        (["ort_int8_static"], lambda: make_ort_static(args.out, args.size)),
        (["openvino_fp32"], lambda: make_openvino(args.out)),
        (["openvino_int8"], lambda: make_openvino_int8(args.out, args.size)),
        (["openvino_binary"], lambda: make_openvino_binary(args.out, args.size)),
        (["mnn_fp32"], lambda: make_mnn(args.out)),
        (["mnn_int8_weights"], lambda: make_mnn_int8(args.out)),
        (["ncnn_fp32"], lambda: make_ncnn(args.out, args.size)),
        (["litert_fp32", "litert_int8_dynamic"], lambda: make_litert(args.out, args.size, args.tensorflow_python)),
    ):
        try:
            step()
        except Exception as error:  # any engine's tool may fail in its own way; the reason is the result
            for engine in engines:
                unavailable[engine] = f"{type(error).__name__}: {error}"
    (args.out / "unavailable.json").write_text(json.dumps(unavailable, indent=1) + "\n")
    print(json.dumps(unavailable, indent=1))


if __name__ == "__main__":
    main()
