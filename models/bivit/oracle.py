"""numpy oracle of the collapsed graph, in the exact float arithmetic of kernels/README.md.

For every layer it records the XXH3-64 hash of the int8 codes and int32 accumulators (row-major), and of the fp32 residual
stream and logits. The runtime must match them bit for bit; `export.py` writes the records. What is hashed, with N tokens,
D channels, H heads, d = D / H, r the MLP ratio:
  embedding [N, D] fp32; qkv.codes [N, D]; qkv.acc [N, 3D]; q.codes, k.codes, v.codes [N, D] (signs before the zero point);
  scores.acc [H, N, N] = sum (cq - Zq)(ck - Zk); probs.codes [H, N, N]; value.acc [H, N, d] = sum (cp - Zp)(cv - Zv);
  proj.codes [N, D]; proj.acc [N, D]; fc1.codes [N, D]; fc1.acc [N, rD]; fc2.codes [N, rD]; fc2.acc [N, D];
  stream [N, D] fp32, after the block; logits [classes] fp32.
"""

import common  # noqa: F401  (../common)
import fp32
import numpy as np
from collapsed import Affine, Collapsed, CollapsedBlock, Linear1, Norm
from tape import Tape, exact_product, write_records

f32 = np.float32


def _sign(x: np.ndarray) -> np.ndarray:
    return np.sign(x).astype(np.int8)


def _norm(x: np.ndarray, p: Norm) -> np.ndarray:
    return fp32.layer_norm(x, p.gamma, p.beta, p.eps)


def _affine(x: np.ndarray, p: Affine) -> np.ndarray:
    """Codes of x [H, N, d]."""
    return _sign(x / p.a[:, None, None] + p.z.astype(f32)[:, None, None])


def _linear(tape: Tape, name: str, x: np.ndarray, p: Linear1) -> np.ndarray:
    codes = tape.record(f"{name}.codes", _sign(x))
    acc = tape.record(f"{name}.acc", exact_product(codes, p.codes.T))
    return acc.astype(f32) * p.scale


def _attention(tape: Tape, model: Collapsed, p: CollapsedBlock, x: np.ndarray, name: str) -> np.ndarray:
    n, heads, d = x.shape[0], model.cfg.heads, model.cfg.head_dim
    qkv = _linear(tape, f"{name}.qkv", x, p.qkv).reshape(n, 3, heads, d).transpose(1, 2, 0, 3)
    shifted = []
    for part, quantiser, value in (
        ("q", p.q, _norm(qkv[0], p.norm_q)), ("k", p.k, _norm(qkv[1], p.norm_k)), ("v", p.v, qkv[2]),
    ):
        codes = _affine(value, quantiser)
        tape.record(f"{name}.{part}.codes", codes.transpose(1, 0, 2).reshape(n, -1))
        shifted.append(codes - quantiser.z[:, None, None])
    query, key, value = shifted
    scores = tape.record(f"{name}.scores.acc", exact_product(query, key.transpose(0, 2, 1)))
    probs = fp32.softmax(scores.astype(f32) * model.score_scale(p)[:, None, None])
    codes = tape.record(f"{name}.probs.codes", _affine(probs, p.probs))
    acc = tape.record(f"{name}.value.acc", exact_product(codes - p.probs.z[:, None, None], value))
    out = acc.astype(f32) * model.value_scale(p)[:, None, None]
    return _linear(tape, f"{name}.proj", out.transpose(1, 0, 2).reshape(n, -1), p.proj)


def run(model: Collapsed, image: np.ndarray, tape: Tape) -> np.ndarray:
    """image [C, H, W] float32, normalised -> logits [classes]."""
    cfg, patch, side = model.cfg, model.cfg.patch, model.cfg.image // model.cfg.patch
    patches = image.reshape(cfg.channels, side, patch, side, patch).transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
    x = fp32.gemm(patches, model.patch_weight.reshape(cfg.dim, -1), model.patch_bias)
    x = tape.record("embedding", np.concatenate([model.prefix, x]) + model.pos_embed)
    for i, p in enumerate(model.blocks):
        name = f"block{i}"
        x = x + _attention(tape, model, p, _norm(x, p.norm1), name)
        hidden = fp32.gelu_erf(_linear(tape, f"{name}.fc1", _norm(x, p.norm2), p.fc1))
        x = x + _linear(tape, f"{name}.fc2", np.clip(hidden, f32(-10), f32(10)), p.fc2)
        tape.record(f"{name}.stream", x)
    x = _norm(x, model.norm)
    logits = [fp32.gemm(x[i : i + 1], weight, bias)[0] for i, (weight, bias) in enumerate(model.heads)]
    out = logits[0] if len(logits) == 1 else (logits[0] + logits[1]) / f32(2)
    return tape.record("logits", out)


def report(model: Collapsed, images: np.ndarray) -> list[dict]:
    """images [B, C, H, W], normalised -> one record an image."""
    return write_records(lambda image, tape: run(model, image, tape), images)
