"""The convolutions and the weights in groups of tests/data/exporters (make_exporters.py runs them).

Codes of convolutions are [N][kh * kw * C], channels last, as the packed file has them.
"""
import pathlib
import tempfile

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import (Int8ActPerTensorFloat, Int8WeightPerChannelFloat, SignedBinaryActPerTensorConst,
                            SignedBinaryWeightPerTensorConst, Uint8ActPerTensorFloat)
from onnxruntime import quantization as ortq
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from make_exporters import (Lsq, Reader, Sign, brevitas_export, calibrated, lsq_codes, run, save, sign_codes,
                            straight_through, torch_export)

CHANNELS, FILTERS, KERNEL = 5, 6, 3


def image(seed):
    x = np.random.default_rng(seed).standard_normal((1, CHANNELS, 6, 7)).astype(np.float32)
    x[0, 0, 0, :4] = [0, -0.0, 3, -3]
    return torch.from_numpy(x)


def last(codes):
    return codes.reshape(FILTERS, CHANNELS, KERNEL, KERNEL).transpose(0, 2, 3, 1).reshape(FILTERS, -1)


class Conv(torch.nn.Module):
    def __init__(self, act, weight_quantiser):
        super().__init__()
        self.act, self.quantiser = act, weight_quantiser
        self.weight = torch.nn.Parameter(torch.randn(FILTERS, CHANNELS, KERNEL, KERNEL))
        self.bias = torch.nn.Parameter(torch.randn(FILTERS))

    def forward(self, x):
        return torch.nn.functional.conv2d(self.act(x), self.quantiser(self.weight), self.bias, padding=1)


class MeanAbsSign(torch.nn.Module):
    """Bi-Real's weights: a scale for each filter."""

    def forward(self, w):
        scale = w.abs().mean((1, 2, 3), keepdim=True)
        t = torch.clamp(w, -1, 1)
        return straight_through(torch.sign(w), t) * scale


class FakeQuantise(torch.nn.Module):
    def __init__(self, scale, low, high, zero=0):
        super().__init__()
        self.scale, self.low, self.high, self.zero = scale, low, high, zero

    def forward(self, x):
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, self.low, self.high)


class FakeQuantiseFilters(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.low, self.high = torch.rand(FILTERS) * 0.01 + 0.02, -128, 127

    def forward(self, w):
        zeros = torch.zeros(FILTERS, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(w, self.scale, zeros, 0, self.low, self.high)


def filter_codes(layer):
    """torch multiplies by the reciprocal."""
    q = layer.quantiser
    w, scale = layer.weight.detach().numpy(), q.scale.numpy().reshape(FILTERS, 1, 1, 1)
    return np.clip(np.rint(w * (np.float32(1) / scale)), q.low, q.high)


def torch_convolutions():
    scales = lambda low, high: torch.rand(FILTERS, 1, 1, 1) * (high - low) + low  # noqa: E731
    cases = {
        "lsq": lambda: (Conv(Lsq(torch.tensor(0.21), -8, 7), Lsq(scales(0.1, 0.3), -8, 7)), lsq_codes, "4 bit",
                        "4 bit signed"),
        "sign": lambda: (Conv(Sign(), MeanAbsSign()), sign_codes, "1 bit", "1 bit"),
        "fake_quantize": lambda: (Conv(FakeQuantise(0.03, 0, 255, 120), FakeQuantiseFilters()), filter_codes, "8 bit",
                                  "8 bit unsigned"),
    }
    for seed, (name, make) in enumerate(cases.items(), start=50):
        torch.manual_seed(seed)
        layer, codes, weights, activations = make()
        x = image(seed)
        y = layer(x).detach().numpy()
        for exporter, dynamo in (("script", False), ("dynamo", True)):
            save(f"torch_{exporter}_conv_{name}", torch_export(layer, x, dynamo), x.numpy(), y,
                 [{"weights": weights, "activations": activations, "codes": last(codes(layer))}])


class BrevitasConv(torch.nn.Module):
    def __init__(self, bits, act_bits, act_quant, weight_quant):
        super().__init__()
        self.act = qnn.QuantIdentity(act_quant=act_quant, bit_width=act_bits, return_quant_tensor=False)
        self.conv = qnn.QuantConv2d(CHANNELS, FILTERS, KERNEL, padding=1, bias=True, weight_quant=weight_quant,
                                    weight_bit_width=bits)

    def forward(self, x):
        return self.conv(self.act(x))


def brevitas_convolutions():
    torch.manual_seed(60)
    x = image(60)
    layer = calibrated(BrevitasConv(4, 4, Uint8ActPerTensorFloat, Int8WeightPerChannelFloat), x)
    scale = layer.conv.quant_weight().scale.detach().numpy()
    codes = np.clip(np.rint(layer.conv.weight.detach().numpy() / scale), -7, 7)
    expected = {"weights": "4 bit", "activations": "4 bit unsigned", "codes": last(codes)}
    y = layer(x).detach().numpy()
    save("brevitas_qcdq_conv", brevitas_export(export_onnx_qcdq, layer, x), x.numpy(), y, [dict(expected)])
    save("brevitas_qonnx_conv", brevitas_export(export_qonnx, layer, x), x.numpy(), y, [dict(expected)])
    torch.manual_seed(61)
    layer = BrevitasConv(1, 1, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst).eval()
    codes = np.where(layer.conv.weight.detach().numpy() >= 0, 1, -1)
    save("brevitas_qonnx_conv_bipolar", brevitas_export(export_qonnx, layer, x), x.numpy(), layer(x).detach().numpy(),
         [{"weights": "1 bit", "activations": "1 bit", "codes": last(codes)}])


def ort_convolutions():
    torch.manual_seed(62)
    layer = torch.nn.Conv2d(CHANNELS, FILTERS, KERNEL, padding=1)
    x = image(62)
    w = layer.weight.detach().numpy().reshape(FILTERS, -1)
    each = np.rint(w / (np.abs(w).max(1, keepdims=True) / np.float32(127)))
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "in.onnx", pathlib.Path(folder) / "out.onnx"
        onnx.save(torch_export(layer, x, False), source)
        for name, form in (("qdq", ortq.QuantFormat.QDQ), ("qoperator", ortq.QuantFormat.QOperator)):
            ortq.quantize_static(source, target, Reader(x.numpy()), quant_format=form, per_channel=True,
                                 activation_type=ortq.QuantType.QUInt8, weight_type=ortq.QuantType.QInt8)
            model = onnx.load(target)
            save(f"ort_{name}_conv", model, x.numpy(), run(model, x.numpy()),
                 [{"weights": "8 bit", "activations": "8 bit unsigned", "codes": last(each)}])
        ortq.quantize_dynamic(source, target, weight_type=ortq.QuantType.QInt8)
        model = onnx.load(target)
        stored = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
        names = next(n for n in model.graph.node if n.op_type == "ConvInteger").input
        codes = stored[names[1]].astype(int) - int(stored[names[3]])
        save("ort_dynamic_conv", model, x.numpy(), run(model, x.numpy()),
             [{"weights": "8 bit", "activations": "8 bit unsigned", "codes": last(codes)}])


def unpacked(packed, bits, k):
    """The codes of MatMulNBits: low bits first, each block padded."""
    fields = (packed[..., None] >> np.arange(0, 8, bits)) & (2 ** bits - 1)
    return fields.reshape(len(packed), -1)[:, :k].astype(int)


def ort_n_bits():
    """MatMulNBits by onnxruntime's own quantiser, and its blocked DequantizeLinear."""
    torch.manual_seed(63)
    k, block = 80, 16
    layer = torch.nn.Linear(k, FILTERS, bias=False)
    x = torch.from_numpy(np.random.default_rng(63).standard_normal((1, 5, k)).astype(np.float32))
    source = torch_export(layer, x, False)
    for bits in (4, 8):
        for symmetric in (True, False):
            quantiser = MatMulNBitsQuantizer(onnx.ModelProto.FromString(source.SerializeToString()), bits=bits,
                                             block_size=block, is_symmetric=symmetric)
            quantiser.process()
            model = quantiser.model.model
            node = next(n for n in model.graph.node if n.op_type == "MatMulNBits")
            stored = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
            codes = unpacked(stored[node.input[1]], bits, k)
            text = f"{bits} bit signed" if symmetric else f"{bits} bit unsigned with zero points"
            save(f"ort_nbits_{bits}bit{'' if symmetric else '_zero_points'}", model, x.numpy(), run(model, x.numpy()),
                 [{"weights": f"{text}, groups of {block}", "activations": "f32",
                   "codes": codes - 2 ** (bits - 1) if symmetric else codes}])
    quantiser = MatMulNBitsQuantizer(onnx.ModelProto.FromString(source.SerializeToString()), bits=4, block_size=block,
                                     is_symmetric=True, quant_format=ortq.QuantFormat.QDQ)
    quantiser.process()
    model = quantiser.model.model
    node = next(n for n in model.graph.node if n.op_type == "DequantizeLinear")
    stored = {i.name: i for i in model.graph.initializer}
    codes = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(int)
    save("ort_nbits_qdq", model, x.numpy(), run(model, x.numpy()),
         [{"weights": f"4 bit signed, groups of {block}", "activations": "f32", "codes": codes.T}])


def make():
    torch_convolutions()
    brevitas_convolutions()
    ort_convolutions()
    ort_n_bits()
