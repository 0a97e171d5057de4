"""ReBNN's ResNet-18 with OpenVINO's BinaryConvolution, which no front end of OpenVINO makes: built node by node.

Float stem, shortcuts (average, 1x1 convolution) and head as in models/rebnn; all sixteen 3x3 convolutions 1-bit, as FakeQuantize of two
levels and BinaryConvolution with exact zero padding; behind each a scale and an offset for each channel, the residual and PReLU. The
shifts of RPReLU and of the sign are left out (the sign's is the threshold of FakeQuantize), which favours OpenVINO. Random weights.
"""

from pathlib import Path

import numpy as np

WIDTHS, BLOCKS, CLASSES = (64, 128, 256, 512), 4, 1000


def write_resnet18(out: Path) -> None:
    import openvino as ov
    from openvino import opset1, opset8

    rng = np.random.default_rng(1)

    def constant(*shape: int, scale: float = 1.0) -> ov.Node:
        return opset1.constant((scale * rng.standard_normal(shape)).astype(np.float32))

    def convolution(x: ov.Node, filters: int, channels: int, kernel: int, stride: int) -> ov.Node:
        weights = constant(filters, channels, kernel, kernel, scale=(channels * kernel * kernel) ** -0.5)
        pads = [kernel // 2] * 2
        y = opset1.convolution(x, weights, [stride, stride], pads, pads, [1, 1])
        return opset1.add(y, constant(1, filters, 1, 1))

    def binary_convolution(x: ov.Node, filters: int, channels: int, stride: int) -> ov.Node:
        threshold = constant(1, channels, 1, 1, scale=0.1)
        low, high = (opset1.constant(np.full(1, value, np.float32)) for value in (-1, 1))
        sign = opset1.fake_quantize(x, threshold, threshold, low, high, 2)
        bits = rng.integers(0, 256, filters * channels * 9 // 8, dtype=np.uint8)
        weights = ov.op.Constant(ov.Tensor(bits, ov.Shape([filters, channels, 3, 3]), ov.Type.u1))
        y = opset1.binary_convolution(sign, weights, [stride, stride], [1, 1], [1, 1], [1, 1], "xnor-popcount", 0.0)
        y = opset1.multiply(y, constant(1, filters, 1, 1, scale=0.02))
        return opset1.add(y, constant(1, filters, 1, 1))

    image = opset1.parameter([1, 3, 224, 224], np.float32, name="image")
    x = convolution(image, WIDTHS[0], 3, 7, 2)
    x = opset8.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    channels = WIDTHS[0]
    for stage, filters in enumerate(WIDTHS):
        for block in range(BLOCKS):
            stride = 2 if block == 0 and stage > 0 else 1
            shortcut = x
            if stride == 2:
                shortcut = opset1.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], False)
                shortcut = convolution(shortcut, filters, channels, 1, 1)
            y = opset1.add(binary_convolution(x, filters, channels, stride), shortcut)
            x, channels = opset1.prelu(y, opset1.constant(rng.uniform(0.1, 0.5, filters).astype(np.float32))), filters
    x = opset1.reduce_mean(x, opset1.constant(np.array([2, 3])), False)
    logits = opset1.add(opset1.matmul(x, constant(channels, CLASSES, scale=0.05), False, False), constant(1, CLASSES))
    ov.save_model(ov.Model([logits], [image], "resnet18"), out / "openvino_binary.xml", compress_to_fp16=False)
