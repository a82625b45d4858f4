"""How to draw calls of convolution and pooling: the rows of op_cases.py that share the geometry of windows."""
from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.ops import Stage, batch_norm, conv, conv_chain, conv_relu, pool
from tests.op_draw import TABLE, draws, pair


# ---- convolution and pooling --------------------------------------------------------------------

def out_length(n, k, s, p, dil):
    """How many windows of k pixels, `dil` apart, start at 0, s, 2s, … in n pixels with p more on each side."""
    return len([i for i in range(0, n + 2 * p, s) if i + dil * (k - 1) < n + 2 * p])


def geometry(d):
    """N, C, F, filter size, image size, output size and settings of one convolution."""
    if d.regime == "distinct":
        N, C, F, K, L = d.draw(st.permutations(range(1, 6)))
        H, W = d.pick((6, 7), (7, 6), (8, 6), (6, 9))
    elif d.regime == "equal":
        N = C = F = K = L = H = W = d.int(2, 3)
    else:
        N, C, F, K, L = d.lengths(5)
        K, L = min(K, 3), min(L, 3)
        H, W = d.int(1, 5), d.int(1, 5)
    s, p, dil = d.both(1, 3), d.both(0, (K - 1, L - 1)), d.both(1, 2)
    (a, b), (q, r) = pair(p), pair(dil)
    if q * (K - 1) + 1 > H + 2 * a or r * (L - 1) + 1 > W + 2 * b:             # too wide: no dilation,
        dil, H, W = 1, max(H, K - 2 * a), max(W, L - 2 * b)                     # and as large an image as it takes
    IJ = tuple(out_length(*each) for each in zip((H, W), (K, L), pair(s), pair(p), pair(dil)))
    return N, C, F, (K, L), (H, W), IJ, {"stride": s, "padding": p, "dilation": dil}


@draws(sn.conv2d)
def _(d):
    N, C, F, KL, HW, IJ, settings = geometry(d)
    b = d.real(F) if d.pick(True, False) else None
    return {"x": d.real((N, C, *HW)), "w": d.real((F, C, *KL)), "b": b}, settings


@draws(conv.conv2d_transpose)
def _(d):
    N, C, F, KL, HW, IJ, settings = geometry(d)
    b = d.real(C) if d.pick(True, False) else None
    return {"g": d.real((N, F, *IJ)), "w": d.real((F, C, *KL)), "b": b}, {"size": HW, **settings}


def off_the_kink(convolution, inputs: dict, settings: dict) -> tuple:
    """A convolution's case whose outputs keep away from 0: its bias moved to where the widest gap is."""
    z = convolution(**{k: v for k, v in inputs.items() if v is not None}, **settings)
    shifts = np.arange(-64, 65) / 32
    gaps = np.abs(np.moveaxis(z, 1, 0).reshape(z.shape[1], -1, 1) + shifts).min(axis=1)         # (channels, shifts)
    b = 0 if inputs["b"] is None else inputs["b"]
    return {**inputs, "b": b + shifts[gaps.argmax(axis=1)]}, settings


@draws(conv_relu.conv2d_relu)
def _(d):
    inputs, settings = off_the_kink(sn.conv2d, *TABLE[sn.conv2d](d))
    return inputs, {**settings, **d.pick({}, {"slope": 0.25})}


@draws(conv_relu.conv2d_transpose_relu)
def _(d):
    inputs, settings = off_the_kink(conv.conv2d_transpose, *TABLE[conv.conv2d_transpose](d))
    return inputs, {**settings, **d.pick({}, {"slope": 0.25})}


@draws(conv_chain)
def _(d):
    """One to three stages; between them, too, nothing is near 0."""
    N, C, F, KL, HW, IJ, settings = geometry(d)
    if d.regime == "ones" and d.pick(False, True):             # as many images as stay in lanes
        N, C, F, KL, HW, settings = 32, 1, d.int(1, 2), (2, 1), (2, 1), {"stride": 1, "padding": (1, 0), "dilation": 1}
    x, weights, stages = d.real((N, C, *HW)), [], []
    y, transposed, w = x, False, d.real((F, C, *KL))
    for _ in range(d.int(2 if N == 32 else 1, 3)):
        convolve = sn.conv_transpose2d if transposed else sn.conv2d
        inputs, _ = off_the_kink(convolve, {"x": y, "w": w, "b": d.real(w.shape[int(transposed)])}, settings)
        slope = d.pick(0.0, 1.0, 0.25)
        z = convolve(**inputs, **settings)
        y = np.where(z > 0, z, slope * z)
        weights += [w, inputs["b"]]
        stages.append(Stage(transposed, slope, **settings))
        transposed, K = d.pick(True, False), d.int(1, min(2, *y.shape[2:]))
        w = d.real((y.shape[1], d.int(1, 3), K, K) if transposed else (d.int(1, 3), y.shape[1], K, K))
        s = d.int(1, 2)
        settings = {"stride": s, "padding": d.int(0, K - 1), "dilation": 1, **({"output_padding": d.int(0, s - 1)} if transposed else {})}
    return {"x": x, "weights": weights}, {"stages": stages}


@draws(batch_norm)
def _(d):
    """At least two pixels, or there would be no variance."""
    full = d.lengths(4)
    full = full if full[0] * full[2] * full[3] > 1 else (2, *full[1:])
    C = full[1]
    x, gamma, eps = d.real(full), d.real(C), d.pick({}, {"eps": 0.1})
    inputs, _ = off_the_kink(lambda x, b: batch_norm(x, gamma, b, **eps), {"x": x, "b": d.real(C)}, {})
    return {"x": x, "gamma": gamma, "beta": inputs["b"]}, {**eps, **d.pick({}, {"slope": 0.0}, {"slope": 0.25})}


@draws(conv.conv2d_weight)
def _(d):
    N, C, F, KL, HW, IJ, settings = geometry(d)
    return {"x": d.real((N, C, *HW)), "g": d.real((N, F, *IJ))}, {"size": KL, **settings}


@draws(sn.conv_transpose2d)
def _(d):
    N, C, F, KL, HW, IJ, settings = geometry(d)
    whole = [s * (i - 1) + q * (k - 1) + 1 - 2 * p for i, k, s, p, q in zip(IJ, KL, *map(pair, settings.values()))]
    extra = tuple(n - m for n, m in zip(HW, whole))            # what the stride did not reach
    b = d.real(C) if d.pick(True, False) else None
    return {"x": d.real((N, F, *IJ)), "w": d.real((F, C, *KL)), "b": b}, {"output_padding": extra, **settings}


def windows(d, most_padding):
    """An image's shape and the settings of one pooling; most_padding: from the window's length."""
    full = d.lengths(4)
    H, W = full[2:]
    size = d.both(1, (min(H, 3), min(W, 3)))
    stride, padding = d.pick(None, d.both(1, 3)), d.both(0, tuple(most_padding(k) for k in pair(size)))
    settings = {"size": size, "stride": stride, "padding": padding}
    steps = size if stride is None else stride
    IJ = tuple(out_length(*each, 1) for each in zip((H, W), pair(size), pair(steps), pair(padding)))
    return full, full[:2] + IJ, settings


@draws(sn.max_pool2d)
def _(d):
    full, _, settings = windows(d, lambda k: k // 2)
    return {"x": d.spaced(full)[0]}, settings


@draws(sn.avg_pool2d)
def _(d):
    full, _, settings = windows(d, lambda k: k - 1)
    return {"x": d.real(full)}, settings


@draws(pool.avg_pool2d_transpose)
def _(d):
    full, small, settings = windows(d, lambda k: k - 1)
    return {"g": d.real(small)}, {"image": full[2:], **settings}


@draws(pool.take)
def _(d):
    full = d.lengths(4)
    where = d.rng.integers(0, full[2] * full[3], full[:2] + (2, 3))
    return {"x": d.real(full)}, {"where": where}


@draws(pool.put)
def _(d):
    full = d.lengths(4)
    small = full[:2] + (2, 3)
    return {"g": d.real(small)}, {"where": d.rng.integers(0, full[2] * full[3], small), "size": full[2:]}
