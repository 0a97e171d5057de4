"""Both torch exporters, set so that nothing of the exporting machine stays in the file."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

NAMES = {"input_names": ["image"], "output_names": ["logits"]}


def _image(model: nn.Module, batch: int) -> torch.Tensor:
    cfg = model.cfg
    return torch.zeros(batch, cfg.channels, cfg.image, cfg.image)


def torchscript_export(model: nn.Module, path: Path, dynamic_batch: bool = False) -> None:
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}} if dynamic_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (_image(model, 1),), str(path), dynamo=False, opset_version=17, dynamic_axes=axes, **NAMES)


def dynamo_export(model: nn.Module, path: Path, opset: int = 18, dynamic_batch: bool = False) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    shapes = ({0: torch.export.Dim("batch", min=1, max=1024)},) if dynamic_batch else None
    program = torch.onnx.export(
        model, (_image(model, 2 if dynamic_batch else 1),), dynamo=True, opset_version=opset, dynamic_shapes=shapes, verbose=False, **NAMES
    )
    _save_anonymous(program.model_proto, path)


def _save_anonymous(proto: onnx.ModelProto, path: Path) -> None:
    graph = proto.graph
    for item in (proto, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.ClearField("metadata_props")  # stack traces and paths of this machine
    for node in proto.graph.node:
        node.ClearField("doc_string")
    onnx.save(proto, str(path))


def export_cloud(model: nn.Module, path: Path, dynamo: bool) -> None:
    """A network that reads clouds [1, points, 3]."""
    cloud = (torch.rand(1, model.cfg.points, 3),)
    names = {"input_names": ["points"], "output_names": ["logits"]}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not dynamo:
            torch.onnx.export(model, cloud, str(path), dynamo=False, opset_version=17, custom_opsets={"bittern": 1}, **names)
            return
        program = torch.onnx.export(model, cloud, dynamo=True, opset_version=18, verbose=False, **names)
    _save_anonymous(program.model_proto, path)


def export_detector(model: nn.Module, path: Path, dynamo: bool, any_size: bool) -> None:
    """A network that finds boxes in an image [1, C, H, W]; with `any_size` height and width stay open."""
    image = (torch.zeros(1, model.cfg.channels, *model.cfg.image),)
    names = {"input_names": ["image"], "output_names": ["logits", "boxes"]}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not dynamo:
            axes = {"image": {2: "height", 3: "width"}} if any_size else None
            torch.onnx.export(model, image, str(path), dynamo=False, opset_version=17, dynamic_axes=axes, **names)
            return
        sides = {2: torch.export.Dim("height", min=33, max=8192), 3: torch.export.Dim("width", min=33, max=8192)}
        shapes = (sides,) if any_size else None
        # Not optimised: constants expanded to whole images would double the file.
        program = torch.onnx.export(model, image, dynamo=True, opset_version=18, dynamic_shapes=shapes, verbose=False, optimize=False, **names)
    _save_anonymous(program.model_proto, path)
