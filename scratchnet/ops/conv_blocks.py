"""A block of sixteen images: into lanes, then product by product a few rows of y at a time, and back.  Why so: conv_fast.py.

A product and a sum: as in conv_plan.in_pairs and with_first.  x_where, g_where, sum_x, slope and after: as in
conv_fast.correlate.  nowhere: no images, for an x that no ReLU stands behind.  nothing: zeros, what a product without a bias
starts from.  zero, zero > 0: for a literal 0 or False, Numba would compile what gets it once more.
"""
import numpy as np

from ..kernel import jit
from ..turns import next_turn
from .lanes import Lanes, clear, fill, lanes_in, load, matrix_in, relu, store, sum_rows
from .products import product, product_transposed


@jit
def correlate_blocks(turn, scratch, x, x_where, g, g_where, w, starts, y, dw, db, sum_x, slope, after, facts):
    """y = w · im2col(x) + b  and/or  dw[block] = g · im2col(x)ᵀ  for each block that is this thread's."""
    sizes, layout, places, rooms, products, sums = facts
    image, out, above, cols = divide(scratch[turn.thread], sizes, places, rooms)
    (C, F, I, chunk, channels, rows, taps), J, L, zero = sizes, layout[2], layout[3], np.int64(0)
    want_y, want_dw = len(y) > 0, len(g) > 0
    in_place = want_y and y.shape[2] == 16 * I * J and len(sums) == 0
    block = next_turn(turn)
    while block < turn.blocks:
        if in_place:                                           # y stays in lanes, and the product may write there
            out = Lanes(y[block], out.at)
        if want_dw:
            load(above, g, zero, F, block, g_where, slope)
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
            for start, less, step, place, count, filter, add, add_dw in products:
                for done in range(0, count, chunk):
                    n, here = min(chunk, count - done), (place + done) * J
                    im2col(image.array, cols, layout, last - first, taps, start + step * done, less, step, n)
                    if want_y:
                        product(w[piece, filter, :F], cols, out.array, zero, here, n * J, add + piece > 0,
                                starts[0 if place < I else 1])
                    if want_dw:
                        product_transposed(above.array, cols, dw[block], here, (filter * len(w) + piece) * rows, n * J,
                                           add_dw + done > 0)
        if want_y:
            spread(out, sums, F, J)
            if in_place:
                for f in range(F):
                    relu(out.array[f], after)
            else:
                store(out, y, zero, F, block, after)
        block = next_turn(turn)


@jit
def transpose_blocks(turn, scratch, g, g_where, x, nowhere, w, b, nothing, dx, dw, db, slope, after, facts):
    """dx = col2im(wᵀ · g) + b  and, if dw has room,  dw[block] = g · im2col(x)ᵀ  for each block that is this thread's."""
    sizes, layout, places, rooms, products, sums = facts
    image, _, above, cols = divide(scratch[turn.thread], sizes, places, rooms)
    (C, F, I, chunk, channels, rows, taps), J, L, zero, want_dw = sizes, layout[2], layout[3], np.int64(0), len(dw) > 0
    block = next_turn(turn)
    while block < turn.blocks:
        load(above, g, zero, F, block, g_where, slope)
        if want_dw:
            sum_rows(above, db[block], I * J)
        gather(above, sums, F, J)
        for piece in range(len(w)):
            first = piece * channels
            last = min(first + channels, C)
            if want_dw:
                clear(image.array[:last - first], places[1])   # of what col2im left there
                load(image, x, first, last, block, nowhere, slope)
                cols[(last - first) * taps * L:rows] = 0
                for start, less, step, place, count, filter, _, add_dw in products:
                    for done in range(0, count, chunk):
                        n = min(chunk, count - done)
                        im2col(image.array, cols, layout, last - first, taps, start + step * done, less, step, n)
                        product_transposed(above.array, cols, dw[block], (place + done) * J,
                                           (filter * len(w) + piece) * rows, n * J, add_dw + done > 0)
            fill(image, b[first:last], image.array.shape[1] // 16 - 1)
            for start, less, step, place, count, filter, _, _ in products:
                for done in range(0, count, chunk):
                    n = min(chunk, count - done)
                    product(w[piece, filter].T, above.array[:F], cols, (place + done) * J, zero, n * J, zero > 0, nothing)
                    col2im(cols, image.array, layout, last - first, taps, start + step * done, less, step, n)
            store(image, dx, first, last, block, after)
        block = next_turn(turn)


@jit
def divide(scratch, sizes, places, rooms):
    """The scratch memory as lanes of x, of y and of g, and as cols."""
    F, channels, (at, border, pixels, none), (image, out, above, cols) = sizes[1], sizes[4], places, rooms
    return (lanes_in(scratch, image, channels, at, border), lanes_in(scratch, out, F, pixels, none),
            lanes_in(scratch, above, F, pixels, none), matrix_in(scratch, cols))


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
