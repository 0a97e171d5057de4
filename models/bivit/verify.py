"""Measures the exported digits files on the held-out images: onnxruntime, PyTorch and the oracle, and how they agree.

    python verify.py --dir . [--checkpoint digits.pt --teacher teacher.pt] [--oracle 200] [--update model.json]

`--update` writes the figures, and the SHA-256 of the committed files, into model.json.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import numpy as np
import oracle
import torch
from collapsed import collapse
from export import load_checkpoint
from model import CONFIGS, BiVit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many images")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    images, labels = measure.held_out()
    logits = {
        "raw": measure.onnx_logits(args.dir / "digits.onnx", images),
        "dynamo": measure.onnx_logits(args.dir / "digits_dynamo.onnx", images),
        "collapsed": measure.onnx_logits(args.dir / "digits_collapsed.onnx", images),
    }
    if args.teacher:
        teacher = BiVit(CONFIGS["digits"], plain=True)
        teacher.load_state_dict(torch.load(args.teacher, weights_only=True))
        logits["teacher"] = measure.torch_logits(teacher, images)
    if args.checkpoint:
        model = load_checkpoint("digits", args.checkpoint)
        logits["torch_raw"] = measure.torch_logits(model, images)
        if args.oracle:
            collapsed = collapse(model)
            logits["oracle"] = np.stack([oracle.run(collapsed, image, oracle.Tape()) for image in images[: args.oracle]])
    result = {"images": len(labels), "oracle_images": args.oracle} | measure.compare(logits, labels)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, "digits", result)


if __name__ == "__main__":
    main()
