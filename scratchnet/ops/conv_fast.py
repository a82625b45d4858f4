"""The Numba versions of convolution: sixteen images at a time, im2col, and small matrix products.

    y  = conv2d(x, w)             y[n,f,i,j]  = Σ_ckl  x[n,c,u,v] · w[f,c,k,l]    u = s·i + d·k − p
    x  = conv2d_transpose(g, w)   x[n,c,u,v]  = Σ_fkl  g[n,f,i,j] · w[f,c,k,l]    v = t·j + e·l − q
    dw = conv2d_weight(x, g)      dw[f,c,k,l] = Σ_nij  g[n,f,i,j] · x[n,c,u,v]    (s,t) stride, …

As matrices, with cols = im2col(x) of shape (CKL, IJ·16) for a block of sixteen images in lanes (lanes.py):
    y = w · cols        dw = g · colsᵀ, summed over the blocks        x = col2im(wᵀ · g)

Why it is fast: only the columns of a few channels and image rows exist at a time.  They stay in the L2
cache, are used at once, for both y and dw where both are wanted, and never reach main memory.
"""
from functools import lru_cache
from math import gcd

import numpy as np

from .. import memory
from ..kernel import contiguous, jit, parallel
from .conv_checks import out_size
from .conv_kernels import conv_dw, conv_dw_db, conv_dx, conv_y, conv_y_dw_db
from .lanes import LANES, fill, lanes_in, load, room, store, sum_rows, up
from .products import product, product_transposed

RUN = 4096            # bytes of a row of cols used at a time, at most: 8 to 12 such rows fill the L1 cache
ROWS = 160            # rows of cols at a time, at most: 160 × 4096 bytes stay in the L2 cache

# ---- the kernels: blocks of images, spread over the threads ------------------------------------------


@conv_y.fast
def conv_y_fast(x, w, b, stride, padding, dilation, slope=None):
    return correlate(x, w, b, None, w.shape[2:], stride, padding, dilation, after=slope)[0]


@conv_dw.fast
def conv_dw_fast(x, g, size, stride, padding, dilation):
    return correlate(x, None, None, g, size, stride, padding, dilation)[1]


@conv_dw_db.fast
def conv_dw_db_fast(x, g, size, stride, padding, dilation, y=None, slope=0.0):
    return correlate(x, None, None, g, size, stride, padding, dilation, g_where=y, slope=slope)[1:]


@conv_y_dw_db.fast
def conv_y_dw_db_fast(x, w, g, stride, padding, dilation, y=None, slope=0.0):
    return correlate(x, w, None, g, w.shape[2:], stride, padding, dilation, x_where=y, slope=slope, sum_x=True)


def correlate(x, w, b, g, size, stride, padding, dilation, *,
              after=None, x_where=None, g_where=None, slope=0.0, sum_x=False):
    """(y, dw, db): y = conv2d(x, w) + b if w is given, dw = conv2d_weight(x, g) if g is given; one im2col for both.

    after              slope of a leaky ReLU for y
    x_where, g_where   where they are not above 0, x and g are multiplied by `slope` first
    db                 the sum of g, or of x, over each channel
    """
    N, C, F = *x.shape[:2], len(w) if g is None else g.shape[1]
    plan, blocks, dtype = Plan(x.shape[1:], F, size, stride, padding, dilation, x.dtype), -(-N // LANES), x.dtype
    filters = np.zeros((plan.pieces, up(F, 5) if w is not None else 0, plan.rows), dtype)
    for piece, some in zip(filters, plan.some_channels(w) if w is not None else ()):
        piece[:F, :some.shape[1]] = some
    y = memory.empty((N if w is not None else 0, F, plan.I, plan.J), dtype)
    dw = memory.empty((blocks if g is not None else 0, up(F), plan.pieces * plan.rows), dtype)          # block by block
    db = np.empty((len(dw), C if sum_x else F), dtype)
    inputs = flat(x), flat(x_where, dtype), flat(g, dtype), flat(g_where, dtype), filters, bias(b, F, dtype)
    outputs = flat(y), dw, db
    slopes = dtype.type(slope), dtype.type(1 if after is None else after)

    def work(todo):
        scratch, fresh = plan.scratch(), True
        for block in todo:
            correlate_block(block, *inputs, *outputs, sum_x, *slopes, *scratch, fresh, *plan.facts)
            fresh = False
    parallel(work, blocks)
    return y, dw.sum(axis=0)[:F, :C * size[0] * size[1]].reshape(F, C, *size), db.sum(axis=0)


@conv_dx.fast
def conv_dx_fast(g, w, b, size, stride, padding, dilation, slope=None, y=None):
    (N, F), C, dtype = g.shape[:2], w.shape[1], g.dtype
    plan = Plan((C, *size), F, w.shape[2:], stride, padding, dilation, dtype)
    filters = np.zeros((plan.pieces, up(plan.rows, 5), up(F)), dtype)
    for piece, some in zip(filters, plan.some_channels(w)):
        piece[:some.shape[1], :F] = some.T
    x = memory.empty((N, C, *size), dtype)
    arrays = flat(g), flat(y, dtype), filters, bias(b, C, dtype), flat(x)
    slopes = dtype.type(slope or 0), dtype.type(1 if slope is None or y is not None else slope)

    def work(todo):
        scratch, fresh = plan.scratch(), True
        for block in todo:
            transpose_block(block, *arrays, *slopes, *scratch, fresh, *plan.facts)
            fresh = False
    parallel(work, -(-N // LANES))
    return x


def flat(x, dtype=None):
    """x (N,C,H,W) as (N,C,H·W); if there is none, one without images."""
    x = x if x is not None else contiguous(np.empty((0, 1, 1, 1), dtype))
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])


def bias(b, channels, dtype):
    return b if b is not None else contiguous(np.zeros(channels, dtype))


@lru_cache(maxsize=256)
class Plan:
    """Sizes, places and scratch memory for x (N,C,H,W), w (F,C,K,L), y and g (N,F,I,J)."""

    def __init__(self, x_shape, F, size, stride, padding, dilation, dtype):
        (C, H, W), (K, L), (s, t), (p, q), (d, e) = x_shape, size, stride, padding, dilation
        self.I, self.J = I, J = out_size((H, W), size, stride, padding, dilation)
        width = -(-max(W + q, t * (J - 1) + e * (L - 1) + 1) // t)         # of one phase of a padded row
        height = max(H + p, s * (I - 1) + d * (K - 1) + 1)
        u, v = np.arange(H)[:, None] + p, np.arange(W) + q
        at = (u * t * width + v % t * width + v // t).ravel()              # where each pixel of x stands
        border = np.setdiff1d(np.arange(height * t * width), at)           # and where none does
        most = max(1, ROWS // (K * L))                                     # channels in a piece, cut evenly; all pieces but
        self.channels = up(-(-C // -(-C // most)), 4 // gcd(4, K * L)) if C > most else C      # the last have a multiple of
        self.rows = up(self.channels * K * L)                              # 4 rows of cols, as the products want them
        self.pieces = -(-C // self.channels)
        chunk = min(I, max(1, RUN // (LANES * J * dtype.itemsize)))        # image rows at a time
        image = room(0, self.channels, height * t * width, H * W)
        out = room(image[-1], F, I * J, I * J)
        above = room(out[-1], F, I * J, I * J)
        cols = above[-1], up(self.rows, 20), LANES * chunk * J + 16        # start, rows, columns
        self.size = cols[0] + cols[1] * cols[2]                            # numbers of scratch memory
        self.facts = ((C, F, I, chunk, self.channels, self.rows),          # sizes,
                      (t * width, width, J, K, L, s, t, d, e),             # layout of a padded image,
                      (at, border, np.arange(I * J), np.arange(0)),        # places of pixels,
                      (image, out, above, cols))                           # and rooms in the scratch memory
        self.dtype, self.pair = dtype, np.dtype("f8" if dtype == "f4" else "c16")

    def some_channels(self, w):
        """w (F,C,K,L) piece by piece: (F, some c,k,l)."""
        for first in range(0, w.shape[1], self.channels):
            yield w[:, first:first + self.channels].reshape(len(w), -1)

    def scratch(self):
        """Memory for one block, as numbers and as pairs of them."""
        numbers = memory.empty((self.size,), self.dtype)
        return numbers, numbers.view(self.pair)


# ---- a block of sixteen images: into lanes, a few image rows i and rows (c,k,l) of cols at a time, and back ------------
# x_where, g_where, sum_x, slope and after: as in `correlate`.  fresh: the scratch memory has just been lent, and holds no
# zeros yet.  zero, zero == 0, zero > 0: for a literal 0, True or False, Numba would compile what gets it once more.


@jit
def correlate_block(block, x, x_where, g, g_where, w, b, y, dw, db, sum_x, slope, after, scratch, pairs, fresh,
                    sizes, layout, places, rooms):
    """y = w · im2col(x) + b  and/or  dw[block] = g · im2col(x)ᵀ"""
    image, out, above, cols = divide(scratch, pairs, fresh, sizes, places, rooms)
    (C, F, I, chunk, channels, rows), (_, _, J, K, L, _, _, _, _) = sizes, layout
    want_y, want_dw, zero = len(y) > 0, len(g) > 0, np.int64(0)
    if want_y:
        fill(out, b)
    if want_dw:
        load(above, g, zero, F, block, g_where, slope)
        dw[block] = 0
        if not sum_x:
            sum_rows(above, db[block])
    for piece in range(len(w)):
        first = piece * channels
        last = min(first + channels, C)
        load(image, x, first, last, block, x_where, slope)
        if want_dw and sum_x:
            sum_rows(image, db[block, first:last])
        cols[(last - first) * K * L:rows] = 0
        for i0 in range(0, I, chunk):
            i1 = min(i0 + chunk, I)
            start, n = i0 * J, (i1 - i0) * J
            im2col(image.array, cols, layout, last - first, i0, i1)
            if want_y:
                product(w[piece], cols[:rows], out.array, zero, start, n, zero == 0)
            if want_dw:
                product_transposed(above.array, cols[:rows], dw[block], start, piece * rows, n)
    if want_y:
        store(out, y, zero, F, block, after)


@jit
def transpose_block(block, g, g_where, w, b, x, slope, after, scratch, pairs, fresh,
                    sizes, layout, places, rooms):
    """x = col2im(wᵀ · g) + b"""
    image, _, above, cols = divide(scratch, pairs, fresh, sizes, places, rooms)
    (C, F, I, chunk, channels, rows), J, zero = sizes, layout[2], np.int64(0)
    load(above, g, zero, F, block, g_where, slope)
    for piece in range(len(w)):
        first = piece * channels
        last = min(first + channels, C)
        fill(image, b[first:last])
        for i0 in range(0, I, chunk):
            i1 = min(i0 + chunk, I)
            start, n = i0 * J, (i1 - i0) * J
            product(w[piece], above.array[:w.shape[2]], cols, start, zero, n, zero > 0)
            col2im(cols, image.array, layout, last - first, i0, i1)
        store(image, x, first, last, block, after)


@jit
def divide(scratch, pairs, fresh, sizes, places, rooms):
    """The scratch memory as lanes of x, of y and of g, and as cols."""
    (_, F, _, _, channels, _), (at, border, pixels, none), (image, out, above, (start, rows, columns)) = sizes, places, rooms
    return (lanes_in(scratch, pairs, image, channels, at, border, fresh), lanes_in(scratch, pairs, out, F, pixels, none, fresh),
            lanes_in(scratch, pairs, above, F, pixels, none, fresh), scratch[start:start + rows * columns].reshape(rows, columns))


# ---- im2col and its adjoint, in lanes -----------------------------------------------------------------


@jit
def im2col(x, cols, layout, channels, i0, i1):
    """cols[(c,k,l), (i,j,n)] = x[c, s·i+d·k, t·j+e·l, n] for some channels c and i0 <= i < i1, x padded, in lanes."""
    line, width, J, K, L, s, t, d, e = layout
    for row in range(channels * K * L):
        ck, l = divmod(row, L)
        c, k = divmod(ck, K)
        tap = d * k * line + e * l % t * width + e * l // t
        for i in range(i0, i1):
            here, there = cols[row, 16 * (i - i0) * J:], x[c, 16 * (tap + s * i * line):]
            for jn in range(16 * J):
                here[jn] = there[jn]


@jit
def col2im(cols, x, layout, channels, i0, i1):
    """x[c, s·i+d·k, t·j+e·l, n] += cols[(c,k,l), (i,j,n)]: the adjoint of im2col, the same loops."""
    line, width, J, K, L, s, t, d, e = layout
    for row in range(channels * K * L):
        ck, l = divmod(row, L)
        c, k = divmod(ck, K)
        tap = d * k * line + e * l % t * width + e * l // t
        for i in range(i0, i1):
            here, there = cols[row, 16 * (i - i0) * J:], x[c, 16 * (tap + s * i * line):]
            for jn in range(16 * J):
                there[jn] += here[jn]
