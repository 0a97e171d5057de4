"""Quantisers of lsq.py for an oracle: scales and zero points of the exported graph, after the residue that may move both by an ulp."""

import numpy as np
from exact_vit import Quantiser
from fakequant import gradient_scale, round_pass, scale_gradient
from lsq import ActQ, WeightQ
from parameters import array

f32 = np.float32


def activation(act: ActQ, shape: tuple[int, ...], broadcast: tuple[int, ...]) -> Quantiser:
    """`shape`: of one example at this quantiser, which the residue depends on unless the quantiser has one of its own."""
    g = gradient_scale(act.example or shape, act.high)
    a, z = array(scale_gradient(act.alpha, g)), array(scale_gradient(round_pass(act.zero_point), g))
    return Quantiser(a.reshape(broadcast), z.reshape(broadcast), act.low, act.high)


def weight(module: WeightQ) -> tuple[np.ndarray, np.ndarray]:
    """(codes [out, in] as float, row scales)."""
    s = array(scale_gradient(module.alpha, gradient_scale(module.weight.shape, module.high)))
    w = array(module.weight).reshape(len(s), -1)
    return np.rint(np.clip(w / s[:, None], f32(module.low), f32(module.high))), s
