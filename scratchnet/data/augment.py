"""Augmentation: images turned, moved and resized a little at random, which changes no digit into another.

    y[i,j] = x at the place (h,w) that comes to lie on (i,j):   (h,w) = A·((i,j) − c − t) + c

c is the centre of the image, t the shift, A the inverse of "turn by θ, then enlarge by s":

    A = 1/s · ( cos θ   sin θ)
              (−sin θ   cos θ)

A place between four pixels takes from each by how near it is (bilinear): with h = k + a, w = l + b, 0 ≤ a, b < 1,

    y = (1−a)(1−b)·x[k,l] + (1−a)·b·x[k,l+1] + a·(1−b)·x[k+1,l] + a·b·x[k+1,l+1],   0 outside the image.

Shapes   x, y (N,C,H,W); maps (N,2,3): row h and row w of the affine map (i,j,1) → (h,w).
Source   Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks", ICDAR.
"""
from __future__ import annotations

import numpy as np

from ..kernel import jit, kernel
from ..rng import generator
from ..threads import parallel


def random_affine(x: np.ndarray, *, degrees: float = 10.0, shift: float = 0.1, scale: float = 0.1, rng=None) -> np.ndarray:
    """Each image turned by up to ±degrees, moved by up to ±shift of its size, enlarged or shrunk by up to ±scale.

        y[i,j] = x at A·((i,j) − c − t) + c, bilinear, 0 outside;  angle, zoom and shift uniform in their ranges
    Shapes   x (N,C,H,W) → (N,C,H,W), of the same dtype.   Units   degrees; shift and scale: 0.1 is 10 %.
    Errors   ValueError: not images; a negative range; scale ≥ 1, which would shrink an image to nothing.
    Source   Simard, Steinkraus & Platt 2003, ICDAR.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 4 or x.dtype.kind != "f":
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        raise ValueError(f"random_affine: got {got}, expected a float array of images (N, C, H, W)")
    if not (degrees >= 0 and shift >= 0 and 0 <= scale < 1):
        raise ValueError(f"random_affine: degrees {degrees}, shift {shift}, scale {scale}; expected degrees ≥ 0, "
                         "shift ≥ 0 and 0 ≤ scale < 1")
    rng, N, size = generator(rng), len(x), np.array(x.shape[2:])
    angle = np.radians(rng.uniform(-degrees, degrees, N))
    zoom = 1 + rng.uniform(-scale, scale, N)
    t = rng.uniform(-shift, shift, (N, 2)) * size
    return affine_images(x, affine_maps(angle, zoom, t, size))


def affine_maps(angle: np.ndarray, zoom: np.ndarray, t: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The maps (N,2,3) for angles in radians (N,), zooms (N,), shifts in pixels (N,2) and images of `size` (H,W)."""
    c, cos, sin = (size - 1) / 2, np.cos(angle), np.sin(angle)
    A = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], 1) / zoom[:, None, None]    # (N,2,2)
    constant = c - (A @ (c + t)[:, :, None])[:, :, 0]                                               # (N,2)
    return np.concatenate([A, constant[:, :, None]], axis=2)


@kernel
def affine_images(x, maps):
    """y[n,c,i,j] = x[n,c] at maps[n] · (i,j,1), bilinear, 0 outside."""
    N, C, H, W = x.shape
    i, j = np.mgrid[:H, :W]
    h, w = (maps[:, r, 0, None, None] * i + maps[:, r, 1, None, None] * j + maps[:, r, 2, None, None] for r in (0, 1))
    k, l = np.floor(h).astype(np.int64), np.floor(w).astype(np.int64)                               # (N,H,W)
    a, b = (h - k).astype(x.dtype)[:, None], (w - l).astype(x.dtype)[:, None]                       # (N,1,H,W)

    def pixel(k, l):
        inside = (0 <= k) & (k < H) & (0 <= l) & (l < W)
        found = x[np.arange(N)[:, None, None], :, np.clip(k, 0, H - 1), np.clip(l, 0, W - 1)]       # (N,H,W,C)
        return np.where(inside[:, None], np.moveaxis(found, 3, 1), 0)
    above = (1 - b) * pixel(k, l) + b * pixel(k, l + 1)
    below = (1 - b) * pixel(k + 1, l) + b * pixel(k + 1, l + 1)
    return (1 - a) * above + a * below


@affine_images.fast
def affine_images_fast(x, maps):
    y = np.empty(x.shape, x.dtype)

    def work(todo):
        for n in todo:
            affine_loop(x[n], maps[n], y[n])
    parallel(work, len(x))
    return y


@jit
def affine_loop(x, m, y):
    """One image, all channels: NumPy's version makes some twenty arrays of the batch's size, this one none."""
    one = x.dtype.type(1)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            h, w = m[0, 0] * i + m[0, 1] * j + m[0, 2], m[1, 0] * i + m[1, 1] * j + m[1, 2]
            k, l = int(np.floor(h)), int(np.floor(w))
            a, b = x.dtype.type(h - k), x.dtype.type(w - l)
            for c in range(x.shape[0]):
                above = (one - b) * pixel(x, c, k, l) + b * pixel(x, c, k, l + 1)
                below = (one - b) * pixel(x, c, k + 1, l) + b * pixel(x, c, k + 1, l + 1)
                y[c, i, j] = (one - a) * above + a * below


@jit
def pixel(x, c, k, l):
    return x[c, k, l] if 0 <= k < x.shape[1] and 0 <= l < x.shape[2] else x.dtype.type(0)
