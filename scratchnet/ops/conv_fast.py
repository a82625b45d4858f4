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

import numpy as np

from .. import memory
from ..kernel import jit, parallel
from .conv_checks import out_size
from .conv_kernels import conv_dw, conv_dw_db, conv_dx, conv_y, conv_y_dw_db
from .lanes import LANES, Lanes, buffer, up

RUN = 4096            # bytes of a row of cols used at a time, at most: 8 to 12 such rows fill the L1 cache
ROWS = 160            # rows of cols at a time, at most: 160 × 4096 bytes stay in the L2 cache

# ---- the kernels: blocks of images, spread over the threads ------------------------------------------


@conv_y.fast
def conv_y_fast(x, w, b, stride, padding, dilation, relu=False):
    return correlate(x, w, b, None, w.shape[2:], stride, padding, dilation, relu)[0]


@conv_dw.fast
def conv_dw_fast(x, g, size, stride, padding, dilation):
    return correlate(x, None, None, g, size, stride, padding, dilation)[1]


@conv_dw_db.fast
def conv_dw_db_fast(x, g, size, stride, padding, dilation, y=None):
    return correlate(x, None, None, g, size, stride, padding, dilation, g_where=y)[1:3]


@conv_y_dw_db.fast
def conv_y_dw_db_fast(x, w, g, stride, padding, dilation, y=None):
    out, dw, _, db = correlate(x, w, None, g, w.shape[2:], stride, padding, dilation, x_where=y)
    return out, dw, db


def correlate(x, w, b, g, size, stride, padding, dilation, relu=False, x_where=None, g_where=None):
    """(y, dw, Σ g, Σ x): y = conv2d(x, w, b) if w is given, dw = conv2d_weight(x, g) if g is given; one im2col for both.

    The sums are those over each channel, made together with dw.  relu: the positive part of y.
    x_where, g_where: x and g count only where these are above 0.
    """
    F = len(w) if g is None else g.shape[1]
    plan = Plan(x.shape[1:], F, size, stride, padding, dilation, x.dtype)
    blocks, want_y, want_dw = -(-len(x) // LANES), w is not None, g is not None
    filters = np.zeros((up(F, 5), plan.pieces * plan.rows), x.dtype)
    if want_y:
        filters[:F, :plan.CKL] = w.reshape(F, -1)
    filters = np.ascontiguousarray(filters.reshape(up(F, 5), plan.pieces, plan.rows).transpose(1, 0, 2))
    y = memory.empty((len(x) if want_y else 0, F, plan.I, plan.J), x.dtype)
    parts = np.zeros((blocks if want_dw else 1, up(F), plan.pieces * plan.rows), x.dtype)  # dw, block by block
    g_sums, x_sums = np.zeros((blocks, F), x.dtype), np.zeros((blocks, x.shape[1]), x.dtype)

    def work(todo):
        image, cols = plan.image(), plan.columns(plan.rows)
        out, incoming = plan.output(want_y), plan.output(want_dw)
        for block in todo:
            image.load(x, block, x_where)
            if want_dw:
                incoming.load(g, block, g_where)
                incoming.sum(g_sums[block])
                image.sum(x_sums[block])
            if want_y:
                out.fill(b)
            block_conv(image.array, filters, out.array, incoming.array, parts[block if want_dw else 0], cols,
                       plan.layout, plan.I, plan.CKL, plan.chunk, want_y, want_dw)
            if want_y:
                out.store(y, block, relu)
    parallel(work, blocks)
    dw = parts.sum(axis=0)[:F, :plan.CKL].reshape(F, x.shape[1], *size) if want_dw else None
    return y, dw, g_sums.sum(axis=0), x_sums.sum(axis=0)


@conv_dx.fast
def conv_dx_fast(g, w, b, size, stride, padding, dilation, relu=False, y=None):
    (N, F), C = g.shape[:2], w.shape[1]
    plan = Plan((C, *size), F, w.shape[2:], stride, padding, dilation, g.dtype)
    filters = np.zeros((plan.pieces, up(plan.rows, 5), up(F)), g.dtype)
    for piece, ckl in zip(filters, range(0, plan.CKL, plan.rows)):
        rows = w.reshape(F, -1)[:, ckl:ckl + plan.rows].T
        piece[:len(rows), :F] = rows
    x = memory.empty((N, C, *size), g.dtype)

    def work(todo):
        out, image, cols = plan.output(), plan.image(), plan.columns(filters.shape[1])
        for block in todo:
            out.load(g, block, y)
            image.fill(b)
            block_transpose(out.array, filters, image.array, cols, plan.layout, plan.I, plan.CKL, plan.chunk, plan.rows)
            image.store(x, block, relu)
    parallel(work, -(-N // LANES))
    return x


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
        self.CKL, self.layout = C * K * L, (t * width, width, J, K, L, s, t, d, e)
        self.chunk = min(I, max(1, RUN // (LANES * J * dtype.itemsize)))   # image rows at a time
        self.pieces = -(-self.CKL // ROWS)
        self.rows = up(-(-self.CKL // self.pieces))                        # rows (c,k,l) of cols at a time
        border, pixels, none = np.setdiff1d(np.arange(height * t * width), at), np.arange(I * J), np.arange(0)
        self.image = lambda: Lanes(C, at, border, dtype)
        self.output = lambda needed=True: Lanes(F if needed else 0, pixels, none, dtype)
        self.columns = lambda rows: buffer(rows, LANES * self.chunk * J, dtype)

# ---- a block of sixteen images ------------------------------------------------------------------------


@jit
def block_conv(x, w, y, g, dw, cols, layout, I, CKL, chunk, want_y, want_dw):
    """y += w · im2col(x) and/or dw += g · im2col(x)ᵀ: a few image rows i and rows (c,k,l) of cols at a time."""
    pieces, _, rows = w.shape
    J = layout[2]
    for i0 in range(0, I, chunk):
        i1 = min(i0 + chunk, I)
        start, n = i0 * J, (i1 - i0) * J
        for piece in range(pieces):
            first = piece * rows
            last = min(first + rows, CKL)
            im2col(x, cols, layout, first, last - first, i0, i1)
            for row in range(last - first, rows):
                for a in range(16 * n):
                    cols[row, a] = 0
            if want_y:
                product(w[piece], cols, y, 0, start, n, True)
            if want_dw:
                product_transposed(g, cols, dw, start, first, n)


@jit
def block_transpose(g, w, x, cols, layout, I, CKL, chunk, rows):
    """x += col2im(wᵀ · g), in the same pieces."""
    pieces, J = w.shape[0], layout[2]
    for i0 in range(0, I, chunk):
        i1 = min(i0 + chunk, I)
        start, n = i0 * J, (i1 - i0) * J
        for piece in range(pieces):
            first = piece * rows
            last = min(first + rows, CKL)
            product(w[piece], g, cols, start, 0, n, False)
            col2im(cols, x, layout, first, last - first, i0, i1)


# ---- im2col and its adjoint, in lanes -----------------------------------------------------------------


@jit
def im2col(x, cols, layout, first, rows, i0, i1):
    """cols[(c,k,l) - first, (i,j,n)] = x[c, s·i+d·k, t·j+e·l, n] for i0 <= i < i1, x padded, in lanes."""
    line, width, J, K, L, s, t, d, e = layout
    for row in range(rows):
        ck, l = divmod(first + row, L)
        c, k = divmod(ck, K)
        tap = d * k * line + e * l % t * width + e * l // t
        for i in range(i0, i1):
            here, there = cols[row, 16 * (i - i0) * J:], x[c, 16 * (tap + s * i * line):]
            for jn in range(16 * J):
                here[jn] = there[jn]


@jit
def col2im(cols, x, layout, first, rows, i0, i1):
    """x[c, s·i+d·k, t·j+e·l, n] += cols[(c,k,l) - first, (i,j,n)]: the adjoint of im2col, the same loops."""
    line, width, J, K, L, s, t, d, e = layout
    for row in range(rows):
        ck, l = divmod(first + row, L)
        c, k = divmod(ck, K)
        tap = d * k * line + e * l % t * width + e * l // t
        for i in range(i0, i1):
            here, there = cols[row, 16 * (i - i0) * J:], x[c, 16 * (tap + s * i * line):]
            for jn in range(16 * J):
                there[jn] += here[jn]


# ---- two matrix products --------------------------------------------------------------------------------


@jit(flags={"contract"})
def product(a, b, y, b0, y0, n, add):
    """y[:, y0:y0+n] = a · b[:, b0:b0+n], or += if add.  b0, y0, n count pixels, sixteen columns each.

    Rows of a: a multiple of 5, columns: of 4.  Four rows of b are added to five rows of y in one pass: 9 loads and
    5 stores for 20 multiply-adds, with the twenty numbers of a in registers, of which there are 32 (4×4: a sixth
    slower, 6×4 and 5×5: some percent).  The five rows of y stay in the L1 cache while all of b passes by.
    range(16 * n) tells LLVM that whole registers suffice: no scalar loop for a remainder, which would take the
    registers away.
    """
    b0, b1, y0, y1 = 16 * b0, 16 * (b0 + n), 16 * y0, 16 * (y0 + n)
    for m in range(0, a.shape[0], 5):
        ya, yb, yc, yd, ye = y[m, y0:y1], y[m+1, y0:y1], y[m+2, y0:y1], y[m+3, y0:y1], y[m+4, y0:y1]
        if not add:
            for j in range(16 * n):
                ya[j] = yb[j] = yc[j] = yd[j] = ye[j] = 0
        for p in range(0, a.shape[1], 4):
            ba, bb, bc, bd = b[p, b0:b1], b[p+1, b0:b1], b[p+2, b0:b1], b[p+3, b0:b1]
            a00, a01, a02, a03 = a[m, p], a[m, p+1], a[m, p+2], a[m, p+3]
            a10, a11, a12, a13 = a[m+1, p], a[m+1, p+1], a[m+1, p+2], a[m+1, p+3]
            a20, a21, a22, a23 = a[m+2, p], a[m+2, p+1], a[m+2, p+2], a[m+2, p+3]
            a30, a31, a32, a33 = a[m+3, p], a[m+3, p+1], a[m+3, p+2], a[m+3, p+3]
            a40, a41, a42, a43 = a[m+4, p], a[m+4, p+1], a[m+4, p+2], a[m+4, p+3]
            for j in range(16 * n):
                u, v, w, x = ba[j], bb[j], bc[j], bd[j]
                s = ya[j] + a00 * u + a01 * v + a02 * w + a03 * x
                t = yb[j] + a10 * u + a11 * v + a12 * w + a13 * x
                q = yc[j] + a20 * u + a21 * v + a22 * w + a23 * x
                r = yd[j] + a30 * u + a31 * v + a32 * w + a33 * x
                z = ye[j] + a40 * u + a41 * v + a42 * w + a43 * x
                ya[j], yb[j], yc[j], yd[j], ye[j] = s, t, q, r, z


@jit(flags={"contract", "reassoc", "nsz"})
def product_transposed(a, b, y, a0, y0, n):
    """y[:, y0:] += a[:, a0:a0+n] · b[:, :n]ᵀ.  a0, n count pixels, sixteen columns each.  Rows of y, b: multiples of 4.

    Sixteen dot products at once: 8 loads for 16 multiply-adds, sixteen sums in registers. `reassoc` allows LLVM
    to split each sum over the sixteen lanes of its register (always in the same way: the bits do not vary).
    """
    a0, a1 = 16 * a0, 16 * (a0 + n)
    for f in range(0, y.shape[0], 4):
        aa, ab, ac, ad = a[f, a0:a1], a[f+1, a0:a1], a[f+2, a0:a1], a[f+3, a0:a1]
        for p in range(0, b.shape[0], 4):
            ba, bb, bc, bd = b[p, :16*n], b[p+1, :16*n], b[p+2, :16*n], b[p+3, :16*n]
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = y.dtype.type(0)
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = y.dtype.type(0)
            for j in range(16 * n):
                s00 += aa[j] * ba[j]; s01 += aa[j] * bb[j]; s02 += aa[j] * bc[j]; s03 += aa[j] * bd[j]
                s10 += ab[j] * ba[j]; s11 += ab[j] * bb[j]; s12 += ab[j] * bc[j]; s13 += ab[j] * bd[j]
                s20 += ac[j] * ba[j]; s21 += ac[j] * bb[j]; s22 += ac[j] * bc[j]; s23 += ac[j] * bd[j]
                s30 += ad[j] * ba[j]; s31 += ad[j] * bb[j]; s32 += ad[j] * bc[j]; s33 += ad[j] * bd[j]
            ya, yb, yc, yd, q = y[f], y[f+1], y[f+2], y[f+3], y0 + p
            ya[q] += s00; ya[q+1] += s01; ya[q+2] += s02; ya[q+3] += s03
            yb[q] += s10; yb[q+1] += s11; yb[q+2] += s12; yb[q+3] += s13
            yc[q] += s20; yc[q+1] += s21; yc[q+2] += s22; yc[q+3] += s23
            yd[q] += s30; yd[q+1] += s31; yd[q+2] += s32; yd[q+3] += s33
