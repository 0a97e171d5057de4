"""Makes tests/data/exporters: small low-bit layers as real tools write them.

make_catalogue.py spells the patterns itself; here the graphs come from torch (both exporters), Brevitas (QCDQ and QONNX),
qonnx (QONNX to QCDQ) and onnxruntime.quantization (QDQ, QOperator, dynamic, MatMulNBits). Each folder is as in catalogue/:
model.onnx, input.npy, output.npy (of the framework that holds the layer, or of onnxruntime without optimisations) and
expected.json, whose codes numpy computes here from the parameters of the layer. Run it with the packages of
exporter_requirements.txt:
    python make_exporters.py
Positions in source files, which exporters add to nodes, are left out of the models.
"""
import json
import pathlib
import shutil
import tempfile

import brevitas.nn as qnn
import numpy as np
import onnx
import onnxruntime
import torch
from brevitas.core.scaling import ScalingImplType
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.inject.enum import QuantType
from brevitas.quant import (Int8ActPerTensorFloat, Int8WeightPerChannelFloat, SignedBinaryActPerTensorConst,
                            SignedBinaryWeightPerTensorConst, Uint8ActPerTensorFloat)
from onnxruntime import quantization as ortq
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

ROOT = pathlib.Path(__file__).parent / "exporters"
F32 = np.float32
N, K, ROWS = 8, 16, 5


def example(seed):
    x = np.random.default_rng(seed).standard_normal((1, ROWS, K)).astype(F32)
    x[0, 0, :4] = [0, -0.0, 100, -100]  # zeros of both signs, and both ends
    return torch.from_numpy(x)


def save(name, model, x, y, layers):
    folder = ROOT / name
    folder.mkdir(parents=True)
    for graph in [model.graph] + [f for f in model.functions]:
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
        graph.ClearField("metadata_props")
        for value in getattr(graph, "value_info", []):
            value.ClearField("metadata_props")
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    onnx.save(model, folder / "model.onnx")
    np.save(folder / "input.npy", x.astype(F32))
    np.save(folder / "output.npy", y.astype(F32))
    for layer in layers:
        if "codes" in layer:
            layer["codes"] = np.asarray(layer["codes"]).astype(int).tolist()
    (folder / "expected.json").write_text(json.dumps({"layers": layers}) + "\n")


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


# --- torch: quantisers as papers' code writes them

def straight_through(rounded, x):
    return (rounded - x).detach() + x


class Lsq(torch.nn.Module):
    """Div, clamp, round with the straight-through residue, Mul; the scale's gradient is scaled, as in LSQ."""

    def __init__(self, scale, low, high):
        super().__init__()
        self.scale, self.low, self.high = torch.nn.Parameter(scale), low, high

    def forward(self, x):
        g = 0.01
        s = (self.scale - self.scale * g).detach() + self.scale * g
        t = torch.clamp(x / s, self.low, self.high)
        return straight_through(t.round(), t) * s


class Sign(torch.nn.Module):
    """Sign with the clipped identity as its gradient."""

    def forward(self, x):
        t = torch.clamp(x, -1, 1)
        return straight_through(torch.sign(x), t)


class DoReFa(torch.nn.Module):
    def __init__(self, bits):
        super().__init__()
        self.n = float(2 ** bits - 1)

    def forward(self, x):
        t = torch.clamp(x, 0, 1) * self.n
        return straight_through(t.round(), t) / self.n


class MeanAbsSign(torch.nn.Module):
    """XNOR-Net's weights."""

    def forward(self, w):
        t = torch.clamp(w, -1, 1)
        return straight_through(torch.sign(w), t) * w.abs().mean(1, keepdim=True)


class Twn(torch.nn.Module):
    """Ternary weight networks: 0.7 of the mean magnitude is the threshold."""

    def forward(self, w):
        delta = 0.7 * w.abs().mean(1, keepdim=True)
        mask = (w.abs() > delta).float()
        alpha = (w.abs() * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        return torch.sign(w) * mask * alpha


class Linear(torch.nn.Module):
    def __init__(self, act, weight_quantiser):
        super().__init__()
        self.act, self.quantiser = act, weight_quantiser
        self.weight = torch.nn.Parameter(torch.randn(N, K))
        self.bias = torch.nn.Parameter(torch.randn(N))

    def forward(self, x):
        return torch.nn.functional.linear(self.act(x), self.quantiser(self.weight), self.bias)


def lsq_codes(layer):
    q = layer.quantiser
    w, s = layer.weight.detach().numpy(), q.scale.detach().numpy()
    return np.rint(np.clip(w / s, q.low, q.high))


def twn_codes(layer):
    w = layer.weight.detach().numpy()
    return np.sign(w) * (np.abs(w) > F32(0.7) * np.abs(w).mean(1, keepdims=True))


def sign_codes(layer):
    return np.sign(layer.weight.detach().numpy())


def rows(low, high):
    return torch.rand(N, 1) * (high - low) + low


def torch_export(layer, x, dynamo):
    layer.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "m.onnx"
        torch.onnx.export(layer, (x,), path, dynamo=dynamo, opset_version=18, input_names=["x"], output_names=["y"],
                          **({"external_data": False, "verbose": False} if dynamo else {}))
        return onnx.load(path)


def torch_layers():
    cases = {
        "lsq_4bit": lambda: (Linear(Lsq(torch.tensor(0.21), -8, 7), Lsq(rows(0.1, 0.3), -8, 7)), lsq_codes, "4 bit",
                             "4 bit signed"),
        "lsq_3bit": lambda: (Linear(Lsq(torch.tensor(0.17), 0, 7), Lsq(rows(0.3, 0.5), -4, 3)), lsq_codes, "3 bit",
                             "3 bit unsigned"),
        "lsq_2bit": lambda: (Linear(Lsq(torch.tensor(0.9), -2, 1), Lsq(rows(0.5, 0.9), -2, 1)), lsq_codes, "2 bit",
                             "2 bit signed"),
        "sign": lambda: (Linear(Sign(), MeanAbsSign()), sign_codes, "1 bit", "1 bit"),
        "dorefa": lambda: (Linear(DoReFa(4), Lsq(rows(0.1, 0.3), -8, 7)), lsq_codes, "4 bit", "4 bit unsigned"),
        "ternary": lambda: (Linear(Lsq(torch.tensor(0.21), -8, 7), Twn()), twn_codes, "ternary", "4 bit signed"),
        "columns": lambda: (Linear(Lsq(torch.rand(K) * 0.2 + 0.1, -8, 7), Lsq(rows(0.1, 0.3), -8, 7)), lsq_codes, "4 bit",
                            "4 bit signed columns"),
    }
    for seed, (name, make) in enumerate(cases.items()):
        torch.manual_seed(seed)
        layer, codes, weights, activations = make()
        x = example(seed)
        y = layer(x).detach().numpy()
        for exporter, dynamo in (("script", False), ("dynamo", True)):
            save(f"torch_{exporter}_{name}", torch_export(layer, x, dynamo), x.numpy(), y,
                 [{"weights": weights, "activations": activations, "codes": codes(layer)}])


# --- Brevitas and qonnx

class Brevitas(torch.nn.Module):
    def __init__(self, bits, act_bits, act_quant):
        super().__init__()
        self.act = qnn.QuantIdentity(act_quant=act_quant, bit_width=act_bits, return_quant_tensor=False)
        self.linear = qnn.QuantLinear(K, N, bias=True, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=bits)

    def forward(self, x):
        return self.linear(self.act(x))


class Bipolar(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.act = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, bit_width=1, return_quant_tensor=False)
        self.linear = qnn.QuantLinear(K, N, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_bit_width=1)

    def forward(self, x):
        return self.linear(self.act(x))


def brevitas_codes(layer, bits):
    """The scale is the layer's (its formula is Brevitas' own), the codes are numpy's; Brevitas' weights are narrow."""
    scale = layer.quant_weight().scale.detach().numpy()
    high = 2 ** (bits - 1) - 1
    return np.clip(np.rint(layer.weight.detach().numpy() / scale), -high, high)


def calibrated(layer, x):
    layer.train()
    for _ in range(20):
        layer(x)
    layer.eval()
    return layer


def brevitas_export(export, layer, x):
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "m.onnx")
        export(layer, args=x, export_path=path, opset_version=17, dynamo=False)
        return onnx.load(path)


def brevitas_layers():
    for seed, (bits, act_bits, act, text) in enumerate((
            (8, 8, Int8ActPerTensorFloat, "8 bit signed"), (4, 4, Int8ActPerTensorFloat, "4 bit signed"),
            (3, 4, Uint8ActPerTensorFloat, "4 bit unsigned"), (2, 2, Int8ActPerTensorFloat, "2 bit signed"))):
        torch.manual_seed(20 + seed)
        x = example(20 + seed)
        layer = calibrated(Brevitas(bits, act_bits, act), torch.clamp(x, -3, 3))
        y = layer(x).detach().numpy()
        weights = "ternary" if bits == 2 else f"{bits} bit"  # narrow 2-bit weights have three values
        expected = {"weights": weights, "activations": text, "codes": brevitas_codes(layer.linear, bits)}
        save(f"brevitas_qcdq_{bits}bit", brevitas_export(export_onnx_qcdq, layer, x), x.numpy(), y, [dict(expected)])
        qonnx_model = brevitas_export(export_qonnx, layer, x)
        save(f"brevitas_qonnx_{bits}bit", qonnx_model, x.numpy(), y, [dict(expected)])
        if bits == 4:
            converted = ModelWrapper(qonnx_model).transform(QuantToQCDQ()).model
            save("qonnx_to_qcdq_4bit", converted, x.numpy(), y, [dict(expected)])
    torch.manual_seed(30)
    layer, x = Bipolar().eval(), example(30)
    codes = np.where(layer.linear.weight.detach().numpy() >= 0, 1, -1)
    save("brevitas_qonnx_bipolar", brevitas_export(export_qonnx, layer, x), x.numpy(), layer(x).detach().numpy(),
         [{"weights": "1 bit", "activations": "1 bit", "codes": codes}])


# --- onnxruntime.quantization

class Reader(ortq.CalibrationDataReader):
    def __init__(self, x):
        self.left = [{"x": x}]

    def get_next(self):
        return self.left.pop() if self.left else None


def symmetric_codes(w):
    return np.rint(w / (np.abs(w).max(1, keepdims=True) / F32(127)))


def ort_layers():
    torch.manual_seed(40)
    layer = torch.nn.Sequential(torch.nn.Linear(K, N, bias=False))
    x = example(40)
    x[0, 0, 2:4] = torch.tensor([3.0, -3.0])
    w = layer[0].weight.detach().numpy()
    expected = {"weights": "8 bit", "codes": symmetric_codes(w)}
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "in.onnx", pathlib.Path(folder) / "out.onnx"
        onnx.save(torch_export(layer, x, False), source)
        common = {"per_channel": True, "weight_type": ortq.QuantType.QInt8}
        for name, form, act in (("qdq_u8", ortq.QuantFormat.QDQ, ortq.QuantType.QUInt8),
                                ("qdq_s8", ortq.QuantFormat.QDQ, ortq.QuantType.QInt8),
                                ("qoperator", ortq.QuantFormat.QOperator, ortq.QuantType.QUInt8)):
            ortq.quantize_static(source, target, Reader(x.numpy()), quant_format=form, activation_type=act, **common)
            model = onnx.load(target)
            text = "8 bit signed" if act == ortq.QuantType.QInt8 else "8 bit unsigned"
            save(f"ort_{name}", model, x.numpy(), run(model, x.numpy()), [{**expected, "activations": text}])
        ortq.quantize_dynamic(source, target, **common)
        model = onnx.load(target)
        save("ort_dynamic", model, x.numpy(), run(model, x.numpy()), [{**expected, "activations": "8 bit unsigned"}])


def main():
    import make_exporters_more  # which reads this module
    shutil.rmtree(ROOT, ignore_errors=True)
    torch_layers()
    brevitas_layers()
    ort_layers()
    make_exporters_more.make()


if __name__ == "__main__":
    main()
