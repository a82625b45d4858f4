"""For every op: how to draw calls of it.  A new op without a row here fails test_registry.py.

    @draws(conv2d)
    def _(d): ...  return {inputs: arrays that get gradients}, {settings, and arrays held constant}

`d` draws lengths of axes in one of three regimes, because each hides other mistakes: all lengths
different (a transposed axis shows), some equal to 1 (broadcasting shows), all equal (nothing shows
by its shape, only by its numbers).  All numbers are float32 values in float64 arrays, so that both
precisions see the same inputs; they keep 0.05 or more from every kink.
"""
from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.ops import broadcast, conv, conv_relu, elementwise, pool, shape
from scratchnet.ops.matmul import product

REGIMES = ("distinct", "ones", "equal")
TABLE: dict[Callable, Callable] = {}            # op or function -> draw function


class Case(NamedTuple):
    """One call: function(**inputs, **settings)."""
    function: Callable
    inputs: dict[str, Any]                      # name -> array, or list of arrays (a sequence)
    settings: dict[str, Any]

    def __repr__(self):
        shapes = {k: [a.shape for a in v] if isinstance(v, list) else v.shape for k, v in self.inputs.items()}
        return f"{name_of(self.function)}({shapes}, {self.settings})"

    def arrays(self) -> list[np.ndarray]:
        """The inputs in one list."""
        return [a for v in self.inputs.values() for a in (v if isinstance(v, list) else [v])]

    def call(self, values: list):
        """function(…) with `values` in place of arrays()."""
        rest = iter(values)
        inputs = {k: [next(rest) for _ in v] if isinstance(v, list) else next(rest) for k, v in self.inputs.items()}
        return self.function(**inputs, **self.settings)


def name_of(function) -> str:
    return getattr(function, "name", None) or function.__name__


def draws(*functions):
    def register(draw):
        TABLE.update((f, draw) for f in functions)
        return draw
    return register


@st.composite
def cases(draw, function, regime):
    inputs, settings = TABLE[function](Draw(draw, regime))
    return Case(function, {k: v for k, v in inputs.items() if v is not None}, settings)


class Draw:
    """Lengths and settings from Hypothesis; the numbers in the arrays from a generator it seeds."""

    def __init__(self, draw, regime: str):
        self.draw, self.regime = draw, regime
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def int(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, *options):
        """One of them; the first is tried first."""
        return self.draw(st.sampled_from(options))

    # ---- lengths of axes ----

    def lengths(self, n: int) -> tuple:
        if self.regime == "distinct":
            return tuple(self.draw(st.permutations(range(2, n + 3))))[:n]
        if self.regime == "equal":
            return (self.int(2, 3),) * n
        several = [self.int(1, 4) for _ in range(n)]
        several[self.int(0, n - 1)] = 1
        return tuple(several)

    def shape(self, least: int = 0, most: int = 4) -> tuple:
        return self.lengths(self.pick(*(n for n in (2, 3, 4, 1, 0) if max(least, self.regime == "ones") <= n <= most)))

    def axes(self, ndim: int):
        """None, one axis counted from either end, or several."""
        kind = self.pick("one", "several", "one", "all") if ndim else "all"
        if kind == "all":
            return None
        if kind == "one":
            return self.pick(*range(ndim - 1, -ndim - 1, -1))
        chosen = self.draw(st.permutations(range(ndim)))[:self.int(1, ndim)]
        return self.pick(tuple, list)(a - ndim if self.pick(True, False) else a for a in chosen)

    def shrunk(self, full: tuple) -> tuple:
        """A shape that broadcasts to `full`: leading axes left out, others set to 1."""
        return tuple(self.pick(1, n, n) for n in full[self.pick(0, self.int(0, len(full)), 0):])

    def two_shapes(self) -> tuple:
        """A pair that broadcasts: equal, or either or both of them smaller."""
        full = self.shape()
        return self.pick((full, self.shrunk(full)), (self.shrunk(full), full), (full, full))

    def both(self, low, high, least=0, most=9):
        """A setting of pooling or convolution: an int, or a pair; `high` is one limit or two."""
        highs = high if isinstance(high, tuple) else (high, high)
        one = self.pick(True, False, False)
        return self.int(low, min(highs)) if one else tuple(self.int(low, h) for h in highs)

    # ---- numbers ----

    def uniform(self, shape, low, high):
        return np.array(self.rng.uniform(low, high, shape), np.float32).astype(np.float64)

    def real(self, shape):
        """0.2 ≤ |x| ≤ 2"""
        return np.array(self.uniform(shape, 0.2, 2) * self.rng.choice([-1.0, 1.0], shape))

    def positive(self, shape):
        return self.uniform(shape, 0.3, 2)

    def spaced(self, *shapes) -> list:
        """Numbers of which any two differ by 0.125 or more, and from multiples of 0.125 by 0.0625."""
        sizes = [int(np.prod(s)) for s in shapes]
        numbers = (self.rng.permutation(sum(sizes)) - sum(sizes) // 2 + 0.5) * 0.125
        return [part.reshape(s) for part, s in zip(np.split(numbers, np.cumsum(sizes)[:-1]), shapes)]


def pair(value) -> tuple:
    return value if isinstance(value, tuple) else (value, value)


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
    return off_the_kink(sn.conv2d, *TABLE[sn.conv2d](d))


@draws(conv_relu.conv2d_transpose_relu)
def _(d):
    return off_the_kink(conv.conv2d_transpose, *TABLE[conv.conv2d_transpose](d))


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
    full = d.shape(least=2)
    channel = tuple(n if i == 1 else 1 for i, n in enumerate(full))
    some = {k: d.pick(channel, channel, channel, full, ()) for k in ("mean", "var", "gamma", "beta")}
    inputs = {k: (d.positive if k == "var" else d.real)(s) for k, s in some.items()}
    return {"x": d.real(full), **inputs}, d.pick({}, {"eps": 0.1})
