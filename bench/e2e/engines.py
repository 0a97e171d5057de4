"""One adapter an engine: load a model file with N threads, then run it on a float32 image [1, 3, H, W].

Each adapter imports its engine inside `load`, so a process holds only the engine that it times. `layout` names the input
layout; `version` is asked after loading.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Engine:
    name: str
    file: str
    package: str
    load: Callable[[str, int], Run]
    layout: str = "nchw"


def load_onnxruntime(path: str, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def load_openvino(path: str, threads: int) -> Run:
    import openvino

    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    return lambda image: next(iter(request.infer([image]).values()))


def load_mnn(path: str, threads: int) -> Run:
    import MNN

    net = MNN.Interpreter(path)
    session = net.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
    source, target = net.getSessionInput(session), net.getSessionOutput(session, "logits")

    def run(image: np.ndarray) -> np.ndarray:
        kind = MNN.Tensor_DimensionType_Caffe
        source.copyFrom(MNN.Tensor(image.shape, MNN.Halide_Type_Float, image, kind))
        net.runSession(session)
        out = MNN.Tensor(target.getShape(), MNN.Halide_Type_Float, np.zeros(target.getShape(), np.float32), kind)
        target.copyToHostTensor(out)
        return np.array(out.getData(), np.float32).reshape(target.getShape())

    return run


def load_litert(path: str, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(model_path=path, num_threads=threads)
    net.allocate_tensors()
    source, target = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]

    def run(image: np.ndarray) -> np.ndarray:
        net.set_tensor(source, image)
        net.invoke()
        return net.get_tensor(target)

    return run


def load_ncnn(path: str, threads: int) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    net.load_param(path)
    net.load_model(path.removesuffix(".param") + ".bin")

    def run(image: np.ndarray) -> np.ndarray:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(image[0]))
            _, out = extractor.extract("out0")
            return np.array(out)[None]

    return run


PEERS = (
    Engine("ort_fp32", "fp32.onnx", "onnxruntime", load_onnxruntime),
    Engine("ort_int8_dynamic", "ort_int8_dynamic.onnx", "onnxruntime", load_onnxruntime),
    Engine("ort_int8_static", "ort_int8_static.onnx", "onnxruntime", load_onnxruntime),
    Engine("openvino_fp32", "openvino_fp32.xml", "openvino", load_openvino),
    Engine("openvino_int8", "openvino_int8.xml", "openvino", load_openvino),
    Engine("openvino_binary", "openvino_binary.xml", "openvino", load_openvino),
    Engine("mnn_fp32", "mnn_fp32.mnn", "MNN", load_mnn),
    Engine("mnn_int8_weights", "mnn_int8_weights.mnn", "MNN", load_mnn),
    Engine("ncnn_fp32", "ncnn_fp32.param", "ncnn", load_ncnn),
    Engine("litert_fp32", "litert_fp32.tflite", "ai-edge-litert", load_litert, "nhwc"),
    Engine("litert_int8_dynamic", "litert_int8_dynamic.tflite", "ai-edge-litert", load_litert, "nhwc"),
)
