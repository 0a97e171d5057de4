"""Runs models on the held-out images, compares their answers, writes the figures into model.json."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import mnist
import numpy as np
import onnxruntime
import torch
from torch import nn

# The committed test images, shared by all networks.
FIXTURES = Path(__file__).resolve().parents[1] / "bivit"


def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Normalised images [2000, 1, 28, 28] and labels."""
    return mnist.normalise(np.load(FIXTURES / "digits_images.npy")), np.load(FIXTURES / "digits_labels.npy")


def onnx_logits(path: Path, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


@torch.no_grad()
def torch_logits(model: nn.Module, images: np.ndarray) -> np.ndarray:
    return np.concatenate([model.eval()(part).numpy() for part in torch.from_numpy(images).split(100)])


def _percent(equal: np.ndarray) -> float:
    return round(100 * float(equal.mean()), 2)


def compare(logits: dict[str, np.ndarray], labels: np.ndarray) -> dict:
    """Accuracy of each, and the share of equal answers of each pair; some may cover only the first images."""
    answers = {name: values.argmax(1) for name, values in logits.items()}
    accuracy, agreement = {}, {}
    for name, answer in answers.items():
        accuracy[name] = _percent(answer == labels[: len(answer)])
        for other, theirs in answers.items():
            if name < other:
                count = min(len(answer), len(theirs))
                agreement[f"{name}/{other}"] = _percent(answer[:count] == theirs[:count])
    return {"accuracy": accuracy, "agreement": agreement}


def measure_variant(folder: Path, name: str, model: nn.Module, oracle: Callable | None, oracle_images: int) -> dict:
    """Accuracies and agreements of NAME.onnx, its other spellings in `folder`, PyTorch and the oracle (image -> logits).

    Writes onnxruntime's answers to NAME_answers.npy (uint8), the reference of tests that need no Python.
    """
    images, labels = held_out()
    logits = {"onnxruntime": onnx_logits(folder / f"{name}.onnx", images)}
    np.save(folder / f"{name}_answers.npy", logits["onnxruntime"].argmax(1).astype(np.uint8))
    for spelling in ("dynamo", "qdq"):
        path = folder / f"{name}_{spelling}.onnx"
        if path.exists():
            logits[spelling] = onnx_logits(path, images)
    logits["torch"] = torch_logits(model, images)
    if oracle and oracle_images:
        logits["oracle"] = np.stack([oracle(image) for image in images[:oracle_images]])
    return compare(logits, labels)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def update(record_path: Path, section: str, measured: dict) -> None:
    """Writes `measured` and the checksums of the section's files, which lie beside the record."""
    record = json.loads(record_path.read_text())
    record[section]["measured"] = measured
    for name in record[section]["files"]:
        record[section]["files"][name] = sha256(record_path.parent / name)
    record_path.write_text(json.dumps(record, indent=1) + "\n")
