"""What every op should give, once more and independently: slow loops over single numbers.

Written from the formulas in docs/notation.md, not from the code, with Python's own arithmetic and the
`math` module; NumPy only holds the numbers.  A gradient check cannot see a wrong forward: this does.
Convolution and pooling are in op_references_images.py.
"""
from __future__ import annotations

import math

import numpy as np

import scratchnet as sn
from scratchnet.ops import broadcast, dense_chain, elementwise, shape as shapes
from scratchnet.ops.matmul import product
from tests import op_references_images          # noqa: F401  its loops are part of the table
from tests.op_loops import REFERENCE, every, reference_of


# ---- elementwise --------------------------------------------------------------------------------

def at(a, index):
    """The entry of `a` that meets `index` of the broadcast result: aligned from the last axis, length 1 repeats."""
    if a.ndim == 0:
        return a.item()
    return a[tuple(0 if n == 1 else i for n, i in zip(a.shape, index[len(index) - a.ndim:]))].item()


def common(*arrays):
    ndim = max(a.ndim for a in arrays)
    padded = [(1,) * (ndim - a.ndim) + a.shape for a in arrays]
    return tuple(max(ns) if 0 not in ns else 0 for ns in zip(*padded))


def entry_by_entry(formula):
    """Apply a formula of Python numbers to arrays that broadcast."""
    def reference(*arrays):
        arrays = [np.asarray(a) for a in arrays]
        y = np.zeros(common(*arrays))
        for i in every(y.shape):
            y[i] = formula(*(at(a, i) for a in arrays))
        return y
    return reference


TWO = {sn.add: lambda a, b: a + b, sn.sub: lambda a, b: a - b, sn.mul: lambda a, b: a * b, sn.div: lambda a, b: a / b,
       sn.power: lambda a, b: a ** b, sn.maximum: max, sn.minimum: min}
ONE = {sn.neg: lambda x: -x, sn.exp: math.exp, sn.log: math.log, sn.sqrt: math.sqrt, sn.abs: abs, sn.tanh: math.tanh,
       sn.sigmoid: lambda x: 1 / (1 + math.exp(-x)), sn.softplus: lambda x: math.log(1 + math.exp(x)),
       sn.relu: lambda x: x if x > 0 else 0.0}
for _op, _formula in TWO.items():
    REFERENCE[_op] = lambda a, b, f=entry_by_entry(_formula): f(a, b)
for _op, _formula in ONE.items():
    REFERENCE[_op] = lambda x, f=entry_by_entry(_formula): f(x)


@reference_of(elementwise.select, sn.where)
def _(a, b, condition):
    return entry_by_entry(lambda c, a, b: a if c else b)(condition, a, b)


@reference_of(sn.leaky_relu)
def _(x, slope=0.01):
    return entry_by_entry(lambda x: x if x > 0 else slope * x)(x)


@reference_of(sn.clip)
def _(x, low=None, high=None):
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    return entry_by_entry(lambda x: low if x < low else high if x > high else x)(x)


# ---- broadcasting, shape ------------------------------------------------------------------------

@reference_of(sn.broadcast_to)
def _(x, shape):
    y = np.zeros(shape)
    for i in every(shape):
        y[i] = at(x, i)
    return y


@reference_of(broadcast.sum_to)
def _(x, shape):
    y = np.zeros(shape)
    for i in every(x.shape):
        j = tuple(0 if n == 1 else k for n, k in zip(shape, i[x.ndim - len(shape):]))
        y[j] += x[i]
    return y


@reference_of(sn.reshape)
def _(x, shape):
    shape = [-(-x.size // -math.prod(shape)) if n == -1 else n for n in shape]     # −1: whatever is left
    y = np.zeros(shape)
    for i, j in zip(every(x.shape), every(shape)):
        y[j] = x[i]
    return y


@reference_of(sn.transpose)
def _(x, axes=None):
    axes = list(range(x.ndim))[::-1] if axes is None else [range(x.ndim)[a] for a in axes]
    y = np.zeros([x.shape[a] for a in axes])
    for j in every(y.shape):
        y[j] = x[tuple(j[axes.index(a)] for a in range(x.ndim))]
    return y


@reference_of(sn.concatenate)
def _(xs, axis):
    axis, length = range(xs[0].ndim)[axis], 0
    y = np.zeros([sum(x.shape[axis] for x in xs) if a == axis else n for a, n in enumerate(xs[0].shape)])
    for x in xs:
        for i in every(x.shape):
            y[i[:axis] + (i[axis] + length,) + i[axis + 1:]] = x[i]
        length += x.shape[axis]
    return y


@reference_of(sn.stack)
def _(xs, axis):
    axis = range(xs[0].ndim + 1)[axis]
    y = np.zeros(xs[0].shape[:axis] + (len(xs),) + xs[0].shape[axis:])
    for number, x in enumerate(xs):
        for i in every(x.shape):
            y[i[:axis] + (number,) + i[axis:]] = x[i]
    return y


def sides(x, width):
    return [(width, width)] * x.ndim if isinstance(width, int) else width


@reference_of(sn.pad)
def _(x, width):
    width = sides(x, width)
    y = np.zeros([n + before + after for n, (before, after) in zip(x.shape, width)])
    for i in every(x.shape):
        y[tuple(k + before for k, (before, _) in zip(i, width))] = x[i]
    return y


@reference_of(shapes.crop)
def _(x, width):
    width = sides(x, width)
    y = np.zeros([n - before - after for n, (before, after) in zip(x.shape, width)])
    for j in every(y.shape):
        y[j] = x[tuple(k + before for k, (before, _) in zip(j, width))]
    return y


def numbered(shape, index):
    """x[index] for the x that holds its own flat numbers: which entry each result comes from."""
    return np.arange(math.prod(shape)).reshape(shape)[index]


@reference_of(sn.getitem)
def _(x, index):
    source, flat = numbered(x.shape, index), [x[i] for i in every(x.shape)]
    return np.array([flat[k] for k in np.ravel(source)]).reshape(np.shape(source))


@reference_of(shapes.scatter_add)
def _(g, shape, index):
    sums = [0.0] * math.prod(shape)
    for k, value in zip(np.ravel(numbered(shape, index)), np.ravel(g)):
        sums[k] += value
    return np.array(sums).reshape(shape)


# ---- reductions ---------------------------------------------------------------------------------

def of_rows(formula):
    """formula(list of the numbers that become one), for every place of the result."""
    def reference(x, axis=None, keepdims=False):
        axes = range(x.ndim) if axis is None else [range(x.ndim)[a] for a in np.atleast_1d(axis)]
        rows = {}                               # index with the reduced axes at 0 -> numbers
        for i in every(x.shape):
            rows.setdefault(tuple(0 if a in axes else k for a, k in enumerate(i)), []).append(x[i].item())
        y = np.zeros([1 if a in axes else n for a, n in enumerate(x.shape)])
        for i, row in rows.items():
            y[i] = formula(row)
        return y if keepdims else y.reshape([n for a, n in enumerate(x.shape) if a not in axes])
    return reference


def mean_of(row):
    return math.fsum(row) / len(row)


def log_sum_exp(row):
    return math.log(math.fsum(math.exp(v) for v in row))


REFERENCE[sn.sum] = of_rows(math.fsum)
REFERENCE[sn.mean] = of_rows(mean_of)
REFERENCE[sn.var] = of_rows(lambda row: mean_of([(v - mean_of(row)) ** 2 for v in row]))
REFERENCE[sn.max] = of_rows(max)
REFERENCE[sn.logsumexp] = of_rows(log_sum_exp)


@reference_of(sn.softmax)
def _(x, axis=-1):
    total = of_rows(log_sum_exp)(x, axis, keepdims=True)
    return entry_by_entry(lambda v, t: math.exp(v) / math.exp(t))(x, total)


@reference_of(sn.log_softmax)
def _(x, axis=-1):
    return entry_by_entry(lambda v, t: v - t)(x, of_rows(log_sum_exp)(x, axis, keepdims=True))


# ---- products -----------------------------------------------------------------------------------

@reference_of(product)
def _(a, b):
    lead = common(np.zeros(a.shape[:-2]), np.zeros(b.shape[:-2]))
    y = np.zeros((*lead, a.shape[-2], b.shape[-1]))
    for *i, n, m in every(y.shape):
        for d in range(a.shape[-1]):
            y[(*i, n, m)] += (a[tuple(0 if k == 1 else j for k, j in zip(a.shape, i[len(lead) - a.ndim + 2:]))][n, d]
                              * b[tuple(0 if k == 1 else j for k, j in zip(b.shape, i[len(lead) - b.ndim + 2:]))][d, m])
    return y


@reference_of(sn.matmul)
def _(a, b):
    y = REFERENCE[product](a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b)
    y = y[..., 0] if b.ndim == 1 else y
    return y if a.ndim > 1 else y[..., 0, :] if b.ndim > 1 else y[..., 0]


@reference_of(sn.dense)
def _(x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]))
    for *i, m in every(y.shape):
        y[(*i, m)] = math.fsum(x[(*i, d)] * w[d, m] for d in range(w.shape[0])) + (0 if b is None else b[m])
    return y


@reference_of(dense_chain)
def _(x, weights, slopes):
    for w, b, slope in zip(weights[::2], weights[1::2], slopes):
        z = REFERENCE[sn.dense](x, w, b)
        x = np.where(z.real > 0, z, slope * z)
    return x


# ---- losses and normalisation -------------------------------------------------------------------

def reduced(items, reduction):
    total = math.fsum(np.ravel(items))
    return {"none": items, "sum": np.array(total), "mean": np.array(total / max(1, np.size(items)))}[reduction]


@reference_of(sn.mse)
def _(pred, target, reduction="mean"):
    return reduced(entry_by_entry(lambda p, t: (p - t) ** 2)(pred, target), reduction)


@reference_of(sn.bce_with_logits)
def _(logits, target, reduction="mean"):
    def item(z, t):
        p = 1 / (1 + math.exp(-z))
        return -t * math.log(p) - (1 - t) * math.log(1 - p)
    return reduced(entry_by_entry(item)(logits, target), reduction)


@reference_of(sn.cross_entropy)
def _(logits, labels, reduction="mean"):
    rows = [-math.log(math.exp(z[label]) / math.fsum(map(math.exp, z))) for z, label in zip(logits, labels)]
    return reduced(np.array(rows), reduction)


@reference_of(sn.gaussian_kl)
def _(mu, logvar, reduction="mean"):
    items = np.zeros(mu.shape[:-1])
    for *i, d in every(mu.shape):
        m, v = mu[(*i, d)], logvar[(*i, d)]
        items[tuple(i)] += 0.5 * (m * m + math.exp(v) - 1 - v)
    return reduced(items, reduction)


@reference_of(sn.normalize)
def _(x, mean, var, gamma, beta, eps=1e-5):
    return entry_by_entry(lambda x, m, v, g, b: g * (x - m) / math.sqrt(v + eps) + b)(x, mean, var, gamma, beta)
