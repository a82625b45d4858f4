"""The Numba versions of convolution: sixteen images at a time, im2col, and small matrix products.

    y  = conv2d(x, w)             y[n,f,i,j]  = Σ_ckl  x[n,c,u,v] · w[f,c,k,l]    u = s·i + d·k − p
    x  = conv2d_transpose(g, w)   x[n,c,u,v]  = Σ_fkl  g[n,f,i,j] · w[f,c,k,l]    v = t·j + e·l − q
    dw = conv2d_weight(x, g)      dw[f,c,k,l] = Σ_nij  g[n,f,i,j] · x[n,c,u,v]    (s,t) stride, …

As matrices, with cols = im2col(x) of shape (CKL, IJ·16) for a block of sixteen images in lanes (lanes.py):
    y = w · cols        dw = g · colsᵀ, summed over the blocks        x = col2im(wᵀ · g)

Why it is fast: only the columns of a few channels and image rows exist at a time.  They stay in the L2
cache, are used at once, for both y and dw where both are wanted, and never reach main memory.  And where
it pays, three products do the work of four (conv_plan.py): cols then holds differences of rows of x.
"""
from functools import lru_cache
from math import prod

import numpy as np

from .. import memory
from ..kernel import contiguous
from ..threads import share, thread_count
from .conv_blocks import correlate_blocks, transpose_blocks
from .conv_kernels import conv_dw, conv_dw_db, conv_dx, conv_dx_dw_db, conv_y, conv_y_dw_db
from .conv_plan import Plan
from .lanes import LANES, up, zeros

# ---- the kernels: blocks of images, spread over the threads ------------------------------------------


@conv_y.fast
def conv_y_fast(x, w, b, stride, padding, dilation, slope=None, lanes=False):
    return correlate(x, w, b, None, w.shape[2:], stride, padding, dilation, after=slope, lanes=lanes)[0]


@conv_dw.fast
def conv_dw_fast(x, g, size, stride, padding, dilation):
    return correlate(x, None, None, g, size, stride, padding, dilation)[1]


@conv_dw_db.fast
def conv_dw_db_fast(x, g, size, stride, padding, dilation, y=None, slope=0.0):
    return correlate(x, None, None, g, size, stride, padding, dilation, g_where=y, slope=slope)[1:]


@conv_y_dw_db.fast
def conv_y_dw_db_fast(x, w, g, stride, padding, dilation, y=None, slope=0.0, lanes=False):
    return correlate(x, w, None, g, w.shape[2:], stride, padding, dilation, x_where=y, slope=slope, sum_x=True, lanes=lanes)


def correlate(x, w, b, g, size, stride, padding, dilation, *,
              after=None, x_where=None, g_where=None, slope=0.0, sum_x=False, lanes=False):
    """(y, dw, db): y = conv2d(x, w) + b if w is given, dw = conv2d_weight(x, g) if g is given; one im2col for both.

    after              slope of a leaky ReLU for y
    x_where, g_where   where they are not above 0, x and g are multiplied by `slope` first
    db                 the sum of g, or of x, over each channel
    lanes              y is to stay in lanes
    """
    C, F, blocks, dtype = x.shape[1], len(w) if g is None else g.shape[1], blocks_of(x), x.dtype
    plan = Plan(x.shape[1:4], F, size, stride, padding, dilation, dtype)
    filters = np.empty((plan.pieces, plan.filters, 0, 0), dtype) if w is None else plan.pack(w)
    y = np.empty((0, 1, 1, 1), dtype) if w is None else room_for(x, (F, plan.I, plan.J), lanes)
    dw = memory.empty((blocks if g is not None else 0, up(F), plan.filters * plan.pieces * plan.rows), dtype)   # by block
    db = np.empty((len(dw), C if sum_x else F), dtype)
    starts = np.zeros((2, F), dtype)                           # of the sums that become y: the bias, or for parts of y, 0
    if b is not None:
        starts[0] = b
    inputs = flat(x), flat(x_where, dtype), flat(g, dtype), flat(g_where, dtype), filters, starts
    outputs = flat(y), dw, db
    slopes = dtype.type(slope or 0), dtype.type(1 if after is None else after)
    by_blocks(correlate_blocks, blocks, plan, *inputs, *outputs, sum_x, *slopes)
    return y, plan.unpack(dw, (F, C, *size)), db.sum(axis=0)


@conv_dx.fast
def conv_dx_fast(g, w, b, size, stride, padding, dilation, slope=None, y=None, lanes=False):
    after = slope if y is None else None
    return transpose(g, w, b, None, size, stride, padding, dilation, after=after, g_where=y, slope=slope, lanes=lanes)[0]


@conv_dx_dw_db.fast
def conv_dx_dw_db_fast(x, w, g, stride, padding, dilation, y=None, slope=0.0, lanes=False):
    return transpose(g, w, None, x, x.shape[2:4], stride, padding, dilation, g_where=y, slope=slope, lanes=lanes)


def transpose(g, w, b, x, size, stride, padding, dilation, *, after=None, g_where=None, slope=None, lanes=False):
    """(dx, dw, db): dx = conv2d_transpose(g, w) + b;  dw = conv2d_weight(x, g) and db, the sum of g, if x is given."""
    F, (C, *taps), blocks, dtype = g.shape[1], w.shape[1:], blocks_of(g), g.dtype
    plan = Plan((C, *size), F, tuple(taps), stride, padding, dilation, dtype)
    dx = room_for(g, (C, *size), lanes)
    dw = memory.empty((blocks if x is not None else 0, up(F), plan.filters * plan.pieces * plan.rows), dtype)   # by block
    db = np.empty((len(dw), F), dtype)
    inputs = (flat(g), flat(g_where, dtype), flat(x, dtype), nothing(dtype), plan.pack(w),
              zeros(C, dtype) if b is None else b, zeros(plan.rows, dtype))
    outputs = flat(dx), dw, db
    slopes = dtype.type(slope or 0), dtype.type(1 if after is None else after)
    by_blocks(transpose_blocks, blocks, plan, *inputs, *outputs, *slopes)
    return dx, plan.unpack(dw, (F, C, *taps)), db.sum(axis=0)


def by_blocks(loop, blocks: int, plan: Plan, *args) -> None:
    """loop(turn, scratch memory, …) in each thread."""
    threads = min(thread_count(), blocks)
    share(loop, blocks, plan.scratch(threads), *args, plan.facts, threads=threads)


def blocks_of(x) -> int:
    return len(x) if x.ndim == 5 else -(-len(x) // LANES)


def room_for(x, shape, lanes):
    """Memory for as many images as x has, of another shape (C,H,W), in lanes or not."""
    images = LANES * len(x) if x.ndim == 5 else len(x)
    return memory.empty((blocks_of(x), *shape, LANES) if lanes else (images, *shape), x.dtype)


def flat(x, dtype=None):
    """x as (N,C,H·W) or, in lanes, as (blocks,C,H·W·16); if there is none, one without images."""
    return nothing(dtype) if x is None else x.reshape(*x.shape[:2], prod(x.shape[2:]))


@lru_cache
def nothing(dtype):
    return contiguous(np.empty((0, 1, 1), dtype))
