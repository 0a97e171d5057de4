"""Clouds of points on procedurally made solids: what the small networks are trained and tested on.

A cloud is [points, 3], stretched, turned about its axis, tilted a little, with noise, in the unit ball; coordinates are multiples
of 2^-14, so that they are stored in 16 bits without loss (SCALE).
"""

import numpy as np

NAMES = ("sphere", "cube", "cylinder", "cone", "torus", "pyramid", "helix", "disc")
SCALE = 2.0**-14


def _ring(r: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    angle = r.uniform(0, 2 * np.pi, n)
    return np.cos(angle), np.sin(angle)


def _sphere(r, n):
    p = r.normal(size=(n, 3))
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def _cube(r, n):
    p = r.uniform(-1, 1, (n, 3))
    p[np.arange(n), r.integers(0, 3, n)] = r.choice([-1.0, 1.0], n)
    return 0.7 * p


def _cylinder(r, n):
    c, s = _ring(r, n)
    lid = r.random(n) < 0.3
    radius = np.where(lid, np.sqrt(r.random(n)), 1)
    return np.stack([radius * c, radius * s, np.where(lid, r.choice([-1.0, 1.0], n), r.uniform(-1, 1, n))], 1)


def _cone(r, n):
    c, s = _ring(r, n)
    radius = np.sqrt(r.random(n))
    return np.stack([radius * c, radius * s, np.where(r.random(n) < 0.35, -1, 1 - 2 * radius)], 1)


def _torus(r, n):
    c, s = _ring(r, n)
    u, v = _ring(r, n)
    radius = 1 + 0.35 * u
    return np.stack([radius * c, radius * s, 0.35 * v], 1)


def _pyramid(r, n):
    side = _cube(r, n) / 0.7
    height = 1 - np.sqrt(r.random(n))
    edge = np.where(r.random(n) < 0.5, 1, -1)[:, None] * np.stack([np.ones(n), r.uniform(-1, 1, n)], 1)
    edge = np.where((r.random(n) < 0.5)[:, None], edge, edge[:, ::-1])
    base = r.random(n) < 0.35
    level = np.where(base, 0, height)
    flat = np.where(base[:, None], side[:, :2], edge * (1 - level)[:, None])
    return np.stack([flat[:, 0], flat[:, 1], 2 * level - 1], 1)


def _helix(r, n):
    t = r.uniform(-1, 1, n)
    return np.stack([np.cos(5 * t), np.sin(5 * t), 1.2 * t], 1) + 0.08 * _sphere(r, n)


def _disc(r, n):
    c, s = _ring(r, n)
    radius = np.sqrt(r.random(n))
    return np.stack([radius * c, radius * s, r.uniform(-0.1, 0.1, n)], 1)


MAKERS = (_sphere, _cube, _cylinder, _cone, _torus, _pyramid, _helix, _disc)


def cloud(r: np.random.Generator, kind: int, points: int) -> np.ndarray:
    """int16 [points, 3], in units of SCALE."""
    p = MAKERS[kind](r, points) * r.uniform(0.75, 1.3, 3)
    turn, tilt = r.uniform(0, 2 * np.pi), r.normal(0, 0.15)
    c, s = np.cos(turn), np.sin(turn)
    a, b = np.cos(tilt), np.sin(tilt)
    p = p @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, a, b], [0, -b, a]])
    p += r.normal(0, 0.02, p.shape)
    p -= p.mean(0)
    p /= np.linalg.norm(p, axis=1).max()
    return np.round(p / SCALE).astype(np.int16)


def clouds(count: int, points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """int16 [count, points, 3] and their kinds, which take turns."""
    r = np.random.default_rng(seed)
    kinds = np.arange(count) % len(NAMES)
    return np.stack([cloud(r, kind, points) for kind in kinds]), kinds


def coordinates(stored: np.ndarray) -> np.ndarray:
    """As the networks read them: float32."""
    return stored.astype(np.float32) * np.float32(SCALE)
