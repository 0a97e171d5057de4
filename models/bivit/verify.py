"""Measures the exported digits files on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . [--checkpoint digits.pt --teacher teacher.pt] [--oracle 200] [--update model.json]

`--update` writes the figures, and the SHA-256 of the committed files, into model.json.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import data
import oracle
from collapsed import collapse
from export import load_checkpoint
from model import CONFIGS, BiVit


def onnx_logits(path: Path, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


@torch.no_grad()
def torch_logits(model: BiVit, images: np.ndarray) -> np.ndarray:
    return np.concatenate([model.eval()(part).numpy() for part in torch.from_numpy(images).split(100)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    images = data.normalise(np.load(args.dir / "digits_images.npy"))
    labels = np.load(args.dir / "digits_labels.npy")
    logits = {
        "raw": onnx_logits(args.dir / "digits.onnx", images),
        "dynamo": onnx_logits(args.dir / "digits_dynamo.onnx", images),
        "collapsed": onnx_logits(args.dir / "digits_collapsed.onnx", images),
    }
    if args.teacher:
        teacher = BiVit(CONFIGS["digits"], plain=True)
        teacher.load_state_dict(torch.load(args.teacher, weights_only=True))
        logits["teacher"] = torch_logits(teacher, images)
    if args.checkpoint:
        model = load_checkpoint("digits", args.checkpoint)
        logits["torch_raw"] = torch_logits(model, images)
        if args.oracle:
            collapsed = collapse(model)
            logits["oracle"] = np.stack([oracle.run(collapsed, image, oracle.Tape()) for image in images[: args.oracle]])
    answers = {name: values.argmax(1) for name, values in logits.items()}
    result = {"images": len(labels), "oracle_images": args.oracle, "accuracy": {}, "agreement": {}}
    for name, answer in answers.items():
        result["accuracy"][name] = round(100 * float((answer == labels[: len(answer)]).mean()), 2)
        for other, theirs in answers.items():
            if name < other:
                count = min(len(answer), len(theirs))
                result["agreement"][f"{name}/{other}"] = round(100 * float((answer[:count] == theirs[:count]).mean()), 2)
    print(json.dumps(result, indent=1))
    if args.update:
        record = json.loads(args.update.read_text())
        record["digits"]["measured"] = result
        for name in record["digits"]["files"]:
            record["digits"]["files"][name] = hashlib.sha256((args.dir / name).read_bytes()).hexdigest()
        args.update.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
