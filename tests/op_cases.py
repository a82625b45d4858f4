"""For every op: how to draw calls of it.  A new op without a row here fails test_registry.py.

    @draws(mul)
    def _(d): ...  return {inputs: arrays that get gradients}, {settings, and arrays held constant}

What `d` can draw is in op_draw.py; the rows of convolution and pooling are in op_cases_images.py.
"""
from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.ops import broadcast, dense_chain, elementwise, shape
from scratchnet.ops.matmul import product
from tests import op_cases_images               # noqa: F401  its rows are part of the table
from tests.op_draw import REGIMES, TABLE, Case, Draw, cases, draws, name_of, pair       # noqa: F401  from here for all


# ---- elementwise --------------------------------------------------------------------------------

@draws(sn.add, sn.sub, sn.mul)
def _(d):
    a, b = d.two_shapes()
    return {"a": d.real(a), "b": d.real(b)}, {}


@draws(sn.div)
def _(d):
    a, b = d.two_shapes()
    return {"a": d.real(a), "b": d.real(b)}, {}


@draws(sn.power)
def _(d):
    a, b = d.two_shapes()
    if d.pick("real", "real", "whole") == "whole":             # negative a, whole b: no gradient for b
        return {"a": d.real(a)}, {"b": d.rng.integers(-2, 4, b).tolist()}
    return {"a": d.positive(a), "b": d.real(b)}, {}


@draws(sn.maximum, sn.minimum)
def _(d):
    a, b = d.spaced(*d.two_shapes())
    return {"a": a, "b": b}, {}


@draws(elementwise.select, sn.where)
def _(d):
    a, b = d.two_shapes()
    return {"a": d.real(a), "b": d.real(b)}, {"condition": d.rng.random(d.pick(a, b)) < 0.5}


@draws(sn.neg, sn.exp, sn.abs, sn.tanh, sn.sigmoid, sn.softplus, sn.relu)
def _(d):
    return {"x": d.real(d.shape())}, {}


@draws(sn.log, sn.sqrt)
def _(d):
    return {"x": d.positive(d.shape())}, {}


@draws(sn.leaky_relu)
def _(d):
    return {"x": d.real(d.shape())}, d.pick({}, {"slope": 0.25}, {"slope": -0.5})


@draws(sn.clip)
def _(d):
    x, = d.spaced(d.shape())
    return {"x": x}, d.pick({"low": -0.5, "high": 0.75}, {"low": -0.25}, {"high": 0.25}, {"low": None, "high": 0.0})


# ---- broadcasting, shape ------------------------------------------------------------------------

@draws(sn.broadcast_to)
def _(d):
    full = d.shape()
    return {"x": d.real(d.shrunk(full))}, {"shape": full}


@draws(broadcast.sum_to)
def _(d):
    full = d.shape()
    return {"x": d.real(full)}, {"shape": d.shrunk(full)}


@draws(sn.reshape)
def _(d):
    full = d.shape(least=2)
    a, b, *rest = full
    options = [(-1,), (a * b, *rest), tuple(reversed(full)), (b, -1), full[:1] + (1,) + full[1:], list(full)]
    return {"x": d.real(full)}, {"shape": d.pick(*options)}


@draws(sn.transpose)
def _(d):
    full = d.shape()
    axes = d.draw(st.permutations(range(len(full))))
    axes = [a - len(full) if d.pick(True, False) else a for a in axes]
    return {"x": d.real(full)}, d.pick({"axes": tuple(axes)}, {"axes": axes}, {"axes": None}, {})


@draws(sn.concatenate)
def _(d):
    full = list(d.shape(least=1))
    axis, xs = d.int(-len(full), len(full) - 1), []
    for extra in range(d.int(1, 3)):
        full[axis] += 0 if d.regime == "equal" else extra
        xs.append(d.real(tuple(full)))
    return {"xs": xs}, {"axis": axis}


@draws(sn.stack)
def _(d):
    full = d.shape()
    return {"xs": [d.real(full) for _ in range(d.int(1, 3))]}, {"axis": d.int(-len(full) - 1, len(full))}


@draws(sn.pad)
def _(d):
    full = d.shape(most=3)
    sides = [(d.int(0, 2), d.int(0, 2)) for _ in full]
    return {"x": d.real(full)}, {"width": d.pick(d.int(0, 2), sides)}


@draws(shape.crop)
def _(d):
    full = d.shape(least=1, most=3)
    sides = [(b := d.int(0, n), d.int(0, n - b)) for n in full]
    return {"x": d.real(full)}, {"width": d.pick(d.int(0, min(full) // 2), sides)}


def index(d, full):
    """Every kind of index that NumPy knows, for an array with two axes or more."""
    a, b = full[:2]
    some = d.rng.integers(-a, a, 4)                            # with repetitions
    options = [0, -1, np.int64(a - 1), slice(1, None), slice(None, None, -2), Ellipsis, None, (), some, list(some),
               (slice(None), b - 1), (Ellipsis, 0), (None, 0, None), (some, slice(None, None, 2)),
               (some.reshape(2, 2),), (some, d.rng.integers(0, b, 4)), (some[:, None], np.arange(b)),
               (slice(0, 2), d.rng.integers(0, b, 3)),
               d.rng.random(full) < 0.5, d.rng.random(a) < 0.5, (slice(None), d.rng.random(b) < 0.5)]
    return d.pick(*options)


@draws(sn.getitem)
def _(d):
    full = d.shape(least=2, most=3)
    return {"x": d.real(full)}, {"index": index(d, full)}


@draws(shape.scatter_add)
def _(d):
    full = d.shape(least=2, most=3)
    chosen = index(d, full)
    return {"g": d.real(np.zeros(full)[chosen].shape)}, {"shape": full, "index": chosen}


# ---- reductions ---------------------------------------------------------------------------------

@draws(sn.sum, sn.mean, sn.var, sn.logsumexp)
def _(d):
    if d.pick(False, False, True):              # as batch norm does it: loops of its own
        return {"x": d.real(d.lengths(4))}, {"axis": (0, 2, 3), "keepdims": True}
    full = d.shape()
    axis = {"axis": d.axes(len(full)), "keepdims": d.pick(False, True)}
    return {"x": d.real(full)}, d.pick(axis, axis, axis, {})


@draws(sn.max)
def _(d):
    x, = d.spaced(d.shape())
    axis = {"axis": d.axes(x.ndim), "keepdims": d.pick(False, True)}
    return {"x": x}, d.pick(axis, axis, axis, {})


@draws(sn.softmax, sn.log_softmax)
def _(d):
    full = d.shape(least=1)
    return {"x": d.real(full)}, d.pick({"axis": d.axes(len(full))}, {"axis": d.axes(len(full))}, {})


# ---- products -----------------------------------------------------------------------------------

@draws(product)
def _(d):
    *lead, n, k, m = d.lengths(d.int(3, 5))
    a, b = d.shrunk(tuple(lead)), d.shrunk(tuple(lead))
    return {"a": d.real((*a, n, k)), "b": d.real((*b, k, m))}, {}


@draws(sn.matmul)
def _(d):
    if d.pick(True, False):
        return TABLE[product](d)
    n, k, m = d.lengths(3)
    a, b = d.pick(((k,), (k,)), ((n, k), (k,)), ((k,), (k, m)), ((m, n, k), (k,)), ((k,), (n, k, m)))
    return {"a": d.real(a), "b": d.real(b)}, {}


@draws(sn.dense)
def _(d):
    *lead, k, m = d.lengths(d.int(2, 4))
    return {"x": d.real((*lead, k)), "w": d.real((k, m)), "b": d.real(m) if d.pick(True, False) else None}, {}


@draws(dense_chain)
def _(d):
    """One to three layers, whose outputs keep away from 0, where a ReLU has its kink."""
    *lead, k = d.lengths(d.int(1, 3))
    x, weights, slopes = d.real((*lead, k)), [], []
    y = x
    for _ in range(d.int(1, 3)):
        w, b = d.real((y.shape[-1], *d.lengths(1))), None
        z, shifts = sn.dense(y, w), np.arange(-64, 65) / 32
        gaps = np.abs(z.reshape(-1, w.shape[1], 1) + shifts).min(axis=0)   # (columns, shifts)
        b, slope = shifts[gaps.argmax(axis=1)], d.pick(0.0, 1.0, 0.25)
        y = np.where(z + b > 0, z + b, slope * (z + b))
        weights += [w, b]
        slopes.append(slope)
    return {"x": x, "weights": weights}, {"slopes": slopes}


# ---- losses and normalisation -------------------------------------------------------------------

def reduction(d):
    return d.pick({}, {"reduction": "mean"}, {"reduction": "sum"}, {"reduction": "none"})


@draws(sn.mse)
def _(d):
    full = d.shape()
    return {"pred": d.real(full), "target": d.real(full)}, reduction(d)


@draws(sn.bce_with_logits)
def _(d):
    full = d.shape()
    return {"logits": d.real(full), "target": d.uniform(full, 0.1, 0.9)}, reduction(d)


@draws(sn.cross_entropy)
def _(d):
    N, M = d.lengths(2)
    return {"logits": d.real((N, M))}, {"labels": d.rng.integers(0, M, N), **reduction(d)}


@draws(sn.gaussian_kl)
def _(d):
    full = d.shape(least=1, most=3)
    return {"mu": d.real(full), "logvar": d.real(full)}, reduction(d)


@draws(sn.normalize)
def _(d):
    full = d.pick(d.lengths(4), d.shape(least=2))
    channel = tuple(n if i == 1 else 1 for i, n in enumerate(full))
    other = d.pick("", "mean beta", "var", "gamma", "beta", "mean", "mean var gamma beta")    # than one number per channel
    some = {k: d.pick(full, ()) if k in other else channel for k in ("mean", "var", "gamma", "beta")}
    inputs = {k: (d.positive if k == "var" else d.real)(s) for k, s in some.items()}
    return {"x": d.real(full), **inputs}, d.pick({}, {"eps": 0.1})
