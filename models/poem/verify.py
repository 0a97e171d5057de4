"""Measures a committed file on the solids: onnxruntime where it knows the operators, PyTorch and the oracle, and how they agree.

    python verify.py --size solids_pointnet --dir . --checkpoint DIR/solids_pointnet.pt [--oracle 8] [--update model.json]

Writes SIZE_answers.npy, PyTorch's answers to the committed clouds; `--update` writes the figures and the SHA-256 of the committed
files into model.json. --further tells how many clouds of another seed PyTorch answers as well.
"""

import argparse
import json
from pathlib import Path

import common  # noqa: F401  (../common)
import measure
import numpy as np
import oracle
import solids
import torch
from export import CLOUDS, committed, load_checkpoint
from tape import Tape


def onnx_logits(path: Path, clouds: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"points": cloud[None]})[0] for cloud in clouds])


@torch.no_grad()
def torch_logits(model: torch.nn.Module, clouds: np.ndarray) -> np.ndarray:
    return np.concatenate([model(part).numpy() for part in torch.from_numpy(clouds).split(8)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--oracle", type=int, default=0, help="run the oracle on this many clouds")
    parser.add_argument("--further", type=int, default=0, help="clouds of another seed")
    parser.add_argument("--update", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_checkpoint(args.size, args.checkpoint)
    clouds, kinds = committed(args.dir)
    logits = {"torch": torch_logits(model, clouds)}
    np.save(args.dir / f"{args.size}_answers.npy", logits["torch"].argmax(1).astype(np.uint8))
    for name, suffix in (("onnxruntime", ""), ("gram", "_gram")):
        path = args.dir / f"{args.size}{suffix}.onnx"
        if path.exists() and b"bittern" not in path.read_bytes():
            logits[name] = onnx_logits(path, clouds)
    real = oracle.real_layers(args.dir / f"{args.size}.onnx")
    if args.oracle:
        logits["oracle"] = np.stack([oracle.run(model, real, cloud, Tape()) for cloud in clouds[: args.oracle]])
    result = {"clouds": CLOUDS, "oracle_clouds": args.oracle} | measure.compare(logits, kinds)
    if args.further:
        further, further_kinds = solids.clouds(args.further, model.cfg.points, seed=5)
        answers = torch_logits(model, solids.coordinates(further)).argmax(1)
        result["further_clouds"] = args.further
        result["further_accuracy"] = round(100 * float((answers == further_kinds).mean()), 2)
    print(json.dumps(result, indent=1))
    if args.update:
        measure.update(args.update, args.size, result)


if __name__ == "__main__":
    main()
