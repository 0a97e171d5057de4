"""Builds the LiteRT form of the plain DeiT (fp32, and with dynamic int8 weights) from its weights. Needs TensorFlow."""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf

IMAGE, PATCH = 224, 16


class Deit(tf.Module):
    def __init__(self, weights: dict[str, np.ndarray]):
        super().__init__()
        self.weights = weights
        self.dim = weights["norm.weight"].shape[0]
        self.depth = sum(name.endswith(".norm1.weight") for name in weights)
        self.head_dim = weights["blocks.0.attn.norm_q.weight"].shape[0]
        self.heads = self.dim // self.head_dim

    def norm(self, x, name: str, eps: float):
        mean = tf.reduce_mean(x, axis=-1, keepdims=True)
        centred = x - mean
        variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + eps) * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def linear(self, x, name: str):
        # Rank 2, so that the converter makes FULLY_CONNECTED of it.
        shape = x.shape
        flat = tf.reshape(x, (-1, shape[-1]))
        out = tf.matmul(flat, tf.constant(self.weights[f"{name}.weight"]), transpose_b=True) + self.weights[f"{name}.bias"]
        return tf.reshape(out, (*shape[:-1], out.shape[-1]))

    def attention(self, x, name: str):
        n = x.shape[1]
        qkv = tf.transpose(tf.reshape(self.linear(x, f"{name}.qkv"), (n, 3, self.heads, self.head_dim)), (1, 2, 0, 3))
        query = self.norm(qkv[0], f"{name}.norm_q", 1e-5)
        key = self.norm(qkv[1], f"{name}.norm_k", 1e-5)
        probs = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * self.head_dim**-0.5)
        merged = tf.reshape(tf.transpose(tf.matmul(probs, qkv[2]), (1, 0, 2)), (1, n, self.dim))
        return self.linear(merged, f"{name}.proj")

    @tf.function(input_signature=[tf.TensorSpec((1, IMAGE, IMAGE, 3), tf.float32)])
    def __call__(self, image):
        kernel = self.weights["patch_embed.weight"].transpose(2, 3, 1, 0)
        x = tf.nn.conv2d(image, kernel, PATCH, "VALID") + self.weights["patch_embed.bias"]
        x = tf.reshape(x, (1, (IMAGE // PATCH) ** 2, self.dim))
        x = tf.concat([self.weights["cls_token"], self.weights["dist_token"], x], axis=1) + self.weights["pos_embed"]
        for i in range(self.depth):
            name = f"blocks.{i}"
            x = x + self.attention(self.norm(x, f"{name}.norm1", 1e-6), f"{name}.attn")
            hidden = self.linear(self.norm(x, f"{name}.norm2", 1e-6), f"{name}.mlp.fc1")
            x = x + self.linear(tf.nn.gelu(hidden, approximate=False), f"{name}.mlp.fc2")
        x = self.norm(x, "norm", 1e-6)
        return (self.linear(x[:, 0], "head") + self.linear(x[:, 1], "head_dist")) / 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = Deit(dict(np.load(args.weights)))
    function = model.__call__.get_concrete_function()
    for name, optimisations in (("litert_fp32", []), ("litert_int8_dynamic", [tf.lite.Optimize.DEFAULT])):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
        converter.optimizations = optimisations
        (args.out / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
