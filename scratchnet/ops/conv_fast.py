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
from ..kernel import contiguous, jit
from ..threads import parallel
from ..turns import first_turn, next_turn
from .conv_kernels import conv_dw, conv_dw_db, conv_dx, conv_dx_dw_db, conv_y, conv_y_dw_db
from .conv_plan import Plan
from .lanes import LANES, Lanes, clear, fill, lanes_in, load, matrix_in, relu, store, sum_rows, up
from .products import product, product_transposed

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


def by_blocks(run, blocks: int, plan: Plan, *args) -> None:
    """run(turn, …) in each thread, with scratch memory of its own."""
    def work(todo):
        scratch = plan.scratch()                # has a name: given back within the call, it would swallow a Ctrl-C
        run(todo.turn, *args, scratch, plan.facts)
    parallel(work, blocks)


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


@lru_cache
def zeros(n, dtype):
    return contiguous(np.zeros(n, dtype))


# ---- a block of sixteen images: into lanes, then product by product a few rows of y at a time, and back ----------------
# A product and a sum: as in conv_plan.in_pairs and with_first.  x_where, g_where, sum_x, slope and after: as in `correlate`.
# nowhere: no images, for an x that no ReLU stands behind.  nothing: zeros, what a product without a bias starts from.
# fresh: the scratch memory has just been lent, and holds no zeros yet.  zero, zero > 0: for a literal 0 or False, Numba
# would compile what gets it once more.


@jit
def correlate_blocks(turn, *args):
    """correlate_block for each block that is this thread's."""
    block, fresh = first_turn(turn), True
    while block < turn.blocks:
        correlate_block(block, fresh, *args)
        block, fresh = next_turn(turn), False


@jit
def transpose_blocks(turn, *args):
    block, fresh = first_turn(turn), True
    while block < turn.blocks:
        transpose_block(block, fresh, *args)
        block, fresh = next_turn(turn), False


@jit
def correlate_block(block, fresh, x, x_where, g, g_where, w, starts, y, dw, db, sum_x, slope, after, scratch, facts):
    """y = w · im2col(x) + b  and/or  dw[block] = g · im2col(x)ᵀ"""
    sizes, layout, places, rooms, products, sums = facts
    image, out, above, cols = divide(scratch, fresh, sizes, places, rooms)
    (C, F, I, chunk, channels, rows, taps), J, L, zero = sizes, layout[2], layout[3], np.int64(0)
    want_y, want_dw = len(y) > 0, len(g) > 0
    in_place = want_y and y.shape[2] == 16 * I * J and len(sums) == 0
    if in_place:                                               # y stays in lanes, and the product may write there
        out = Lanes(y[block], out.at)
    if want_dw:
        load(above, g, zero, F, block, g_where, slope)
        dw[block] = 0
        if not sum_x:
            sum_rows(above, db[block], I * J)
        gather(above, sums, F, J)
    for piece in range(len(w)):
        first = piece * channels
        last = min(first + channels, C)
        load(image, x, first, last, block, x_where, slope)
        if want_dw and sum_x:
            sum_rows(image, db[block, first:last], image.array.shape[1] // 16 - 1)
        cols[(last - first) * taps * L:rows] = 0
        for start, less, step, place, count, filter, add in products:
            for done in range(0, count, chunk):
                n, here = min(chunk, count - done), (place + done) * J
                im2col(image.array, cols, layout, last - first, taps, start + step * done, less, step, n)
                if want_y:
                    product(w[piece, filter, :F], cols, out.array, zero, here, n * J, add + piece > 0,
                            starts[0 if place < I else 1])
                if want_dw:
                    product_transposed(above.array, cols, dw[block], here, (filter * len(w) + piece) * rows, n * J)
    if want_y:
        spread(out, sums, F, J)
        if in_place:
            for f in range(F):
                relu(out.array[f], after)
        else:
            store(out, y, zero, F, block, after)


@jit
def transpose_block(block, fresh, g, g_where, x, nowhere, w, b, nothing, dx, dw, db, slope, after, scratch, facts):
    """dx = col2im(wᵀ · g) + b  and, if x has images,  dw[block] = g · im2col(x)ᵀ"""
    sizes, layout, places, rooms, products, sums = facts
    image, _, above, cols = divide(scratch, fresh, sizes, places, rooms)
    (C, F, I, chunk, channels, rows, taps), J, L, zero, want_dw = sizes, layout[2], layout[3], np.int64(0), len(dw) > 0
    load(above, g, zero, F, block, g_where, slope)
    if want_dw:
        dw[block] = 0
        sum_rows(above, db[block], I * J)
    gather(above, sums, F, J)
    for piece in range(len(w)):
        first = piece * channels
        last = min(first + channels, C)
        if want_dw:
            clear(image.array[:last - first], places[1])       # of what col2im left there
            load(image, x, first, last, block, nowhere, slope)
            cols[(last - first) * taps * L:rows] = 0
            for start, less, step, place, count, filter, _ in products:
                for done in range(0, count, chunk):
                    n = min(chunk, count - done)
                    im2col(image.array, cols, layout, last - first, taps, start + step * done, less, step, n)
                    product_transposed(above.array, cols, dw[block], (place + done) * J, (filter * len(w) + piece) * rows,
                                       n * J)
        fill(image, b[first:last], image.array.shape[1] // 16 - 1)
        for start, less, step, place, count, filter, _ in products:
            for done in range(0, count, chunk):
                n = min(chunk, count - done)
                product(w[piece, filter].T, above.array[:F], cols, (place + done) * J, zero, n * J, zero > 0, nothing)
                col2im(cols, image.array, layout, last - first, taps, start + step * done, less, step, n)
        store(image, dx, first, last, block, after)


@jit
def divide(scratch, fresh, sizes, places, rooms):
    """The scratch memory as lanes of x, of y and of g, and as cols."""
    F, channels, (at, border, pixels, none), (image, out, above, cols) = sizes[1], sizes[4], places, rooms
    return (lanes_in(scratch, image, channels, at, border, fresh), lanes_in(scratch, out, F, pixels, none, fresh),
            lanes_in(scratch, above, F, pixels, none, fresh), matrix_in(scratch, cols))


@jit
def gather(g, sums, F, J):
    """g₀ + g₁ for each pair of rows, in the place of their sum."""
    for place, one, other, count in sums:
        for f in range(F):
            both, g0, g1 = g.array[f, 16*place*J:], g.array[f, 16*one*J:], g.array[f, 16*other*J:]
            for jn in range(16 * count * J):
                both[jn] = g0[jn] + g1[jn]


@jit
def spread(y, sums, F, J):
    """The adjoint: m, in the place of the sum, goes to both y₀ and y₁."""
    for place, one, other, count in sums:
        for f in range(F):
            both, y0, y1 = y.array[f, 16*place*J:], y.array[f, 16*one*J:], y.array[f, 16*other*J:]
            for jn in range(16 * count * J):
                y0[jn] += both[jn]
                y1[jn] += both[jn]


# ---- im2col and its adjoint, in lanes -----------------------------------------------------------------


@jit
def im2col(x, cols, layout, channels, taps, start, less, step, rows):
    """cols[(c,k,l), (i,j,n)] = x[c, u, v, n] − x[c, u + less, v, n]   u = start + step·i + d·k,  v = t·j + e·l

    For some channels c, taps k of a column and rows i; x is padded, in lanes.  less = 0: only the first.
    """
    line, width, J, L, t, d, e = layout
    for row in range(channels * taps * L):
        ck, l = divmod(row, L)
        c, k = divmod(ck, taps)
        tap = (start + d * k) * line + e * l % t * width + e * l // t
        for i in range(rows):
            here, there = cols[row, 16 * i * J:], x[c, 16 * (tap + step * i * line):]
            if less == 0:
                for jn in range(16 * J):
                    here[jn] = there[jn]
            else:
                other = x[c, 16 * (tap + (step * i + less) * line):]
                for jn in range(16 * J):
                    here[jn] = there[jn] - other[jn]


@jit
def col2im(cols, x, layout, channels, taps, start, less, step, rows):
    """x[c, u, v, n] += cols[(c,k,l), (i,j,n)],  x[c, u + less, v, n] −= the same: the adjoint of im2col, the same loops."""
    line, width, J, L, t, d, e = layout
    for row in range(channels * taps * L):
        ck, l = divmod(row, L)
        c, k = divmod(ck, taps)
        tap = (start + d * k) * line + e * l % t * width + e * l // t
        for i in range(rows):
            here, there = cols[row, 16 * i * J:], x[c, 16 * (tap + step * i * line):]
            for jn in range(16 * J):
                there[jn] += here[jn]
            if less != 0:
                other = x[c, 16 * (tap + (step * i + less) * line):]
                for jn in range(16 * J):
                    other[jn] -= here[jn]
