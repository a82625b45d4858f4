"""The Numba versions of convolution: sixteen images at a time, im2col, and small matrix products.

    y  = conv2d(x, w)             y[n,f,i,j]  = Σ_ckl  x[n,c,u,v] · w[f,c,k,l]    u = s·i + d·k − p
    x  = conv2d_transpose(g, w)   x[n,c,u,v]  = Σ_fkl  g[n,f,i,j] · w[f,c,k,l]    v = t·j + e·l − q
    dw = conv2d_weight(x, g)      dw[f,c,k,l] = Σ_nij  g[n,f,i,j] · x[n,c,u,v]    (s,t) stride, …

As matrices, with cols = im2col(x) of shape (CKL, IJ·16) for a block of sixteen images in lanes (lanes.py):
    y = w · cols        dw = g · colsᵀ, summed over the blocks        x = col2im(wᵀ · g)

Why it is fast: only the columns of a few channels and image rows exist at a time.  They stay in the L2
cache, are used at once, for both y and dw where both are wanted, and never reach main memory.
"""
import numpy as np

from ..kernel import jit, parallel
from .conv_checks import out_size
from .conv_kernels import channel_sum, conv_dw, conv_dx, conv_y, conv_y_dw
from .lanes import LANES, buffer, load, store, up

RUN = 1024            # columns of a chunk, about: 12 rows of as many float32 fill the L1 cache
ROWS = 160            # rows of cols at a time, about: 160 × 1024 × 4 bytes fit the L2 cache

# ---- the kernels: blocks of images, spread over the threads ------------------------------------------


@conv_y.fast
def conv_y_fast(x, w, b, stride, padding, dilation):
    return correlate(x, w, b, None, w.shape[2:], stride, padding, dilation)[0]


@conv_dw.fast
def conv_dw_fast(x, g, size, stride, padding, dilation):
    return correlate(x, None, None, g, size, stride, padding, dilation)[1]


@conv_y_dw.fast
def conv_y_dw_fast(x, w, g, stride, padding, dilation):
    return correlate(x, w, None, g, w.shape[2:], stride, padding, dilation)


def correlate(x, w, b, g, size, stride, padding, dilation):
    """(y, dw): y = conv2d(x, w, b) if w is given, dw = conv2d_weight(x, g) if g is given; one im2col for both."""
    F = len(w) if g is None else g.shape[1]
    plan = Plan(x.shape, F, size, stride, padding, dilation, x.dtype)
    blocks, want_y, want_dw = -(-len(x) // LANES), w is not None, g is not None
    filters = np.zeros((up(F), plan.pieces * plan.rows), x.dtype)
    if want_y:
        filters[:F, :plan.CKL] = w.reshape(F, -1)
    filters = np.ascontiguousarray(filters.reshape(up(F), plan.pieces, plan.rows).transpose(1, 0, 2))
    y = np.empty((len(x) if want_y else 0, F, plan.I, plan.J), x.dtype)
    parts = np.zeros((blocks if want_dw else 1, up(F), plan.pieces * plan.rows), x.dtype)  # dw, block by block

    def work(todo):
        x_lanes, y_lanes, g_lanes, cols = plan.image(), plan.output(), plan.output(), plan.columns()
        for block in todo:
            load(x, block, plan.x_at, x_lanes)
            if want_dw:
                load(g, block, plan.y_at, g_lanes[:F])
            if want_y:
                y_lanes[:F] = 0 if b is None else b[:, None]
            block_conv(x_lanes, filters, y_lanes, g_lanes, parts[block if want_dw else 0], cols, plan.layout, plan.I,
                       plan.CKL, plan.chunk, want_y, want_dw)
            if want_y:
                store(y_lanes[:F], plan.y_at, y, block)
    parallel(work, blocks)
    dw = parts.sum(axis=0)[:F, :plan.CKL].reshape(F, x.shape[1], *size) if want_dw else None
    return y, dw


@conv_dx.fast
def conv_dx_fast(g, w, b, size, stride, padding, dilation):
    (N, F), C = g.shape[:2], w.shape[1]
    plan = Plan((N, C, *size), F, w.shape[2:], stride, padding, dilation, g.dtype)
    filters = np.zeros((plan.pieces * plan.rows, up(F)), g.dtype)
    filters[:plan.CKL, :F] = w.reshape(F, -1).T
    filters = filters.reshape(plan.pieces, plan.rows, up(F))
    x = np.empty((N, C, *size), g.dtype)

    def work(todo):
        g_lanes, x_lanes, cols = plan.output(), plan.image(), plan.columns()
        for block in todo:
            load(g, block, plan.y_at, g_lanes[:F])
            x_lanes[:] = 0 if b is None else b[:, None]
            block_transpose(g_lanes, filters, x_lanes, cols, plan.layout, plan.I, plan.CKL, plan.chunk)
            store(x_lanes, plan.x_at, x, block)
    parallel(work, -(-N // LANES))
    return x


@channel_sum.fast
def channel_sum_fast(g):
    """A product with ones: it reads memory several times as fast as g.sum over these axes does."""
    rows = g.reshape(-1, g.shape[2] * g.shape[3])
    return np.dot(rows, np.ones(rows.shape[1], g.dtype)).reshape(g.shape[:2]).sum(axis=0)


class Plan:
    """Sizes, places and buffers for x (N,C,H,W), w (F,C,K,L), y and g (N,F,I,J)."""

    def __init__(self, x_shape, F, size, stride, padding, dilation, dtype):
        (_, C, H, W), (K, L), (s, t), (p, q), (d, e) = x_shape, size, stride, padding, dilation
        self.I, self.J = I, J = out_size((H, W), size, stride, padding, dilation)
        width = -(-max(W + q, t * (J - 1) + e * (L - 1) + 1) // t)         # of one phase of a padded row
        height = max(H + p, s * (I - 1) + d * (K - 1) + 1)
        u, v = np.arange(H)[:, None] + p, np.arange(W) + q
        self.x_at = (u * t * width + v % t * width + v // t).ravel()
        self.y_at = np.arange(I * J)
        self.CKL, self.layout = C * K * L, (t * width, width, J, K, L, s, t, d, e)
        self.chunk = min(I, max(1, RUN // (LANES * J)))                    # image rows at a time
        self.pieces = -(-self.CKL // ROWS)
        self.rows = up(-(-self.CKL // self.pieces))                        # rows (c,k,l) of cols at a time
        self.image = lambda: buffer(C, LANES * height * t * width, dtype)
        self.output = lambda: buffer(up(F), LANES * I * J, dtype)
        self.columns = lambda: buffer(self.rows, LANES * self.chunk * J, dtype)

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
def block_transpose(g, w, x, cols, layout, I, CKL, chunk):
    """x += col2im(wᵀ · g), in the same pieces."""
    pieces, rows, _ = w.shape
    J = layout[2]
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
    """y[:, 16*y0:16*(y0+n)] = a · b[:, 16*b0:16*(b0+n)], or += if add.  Rows and columns of a: multiples of 4.

    Four rows of b are added to four rows of y in one pass: 8 loads and 4 stores for 16 multiply-adds, the
    sixteen numbers of a stay in registers. The rows of y stay in the L1 cache while all of b passes by.
    """
    for m in range(0, a.shape[0], 4):
        y0_, y1_, y2_, y3_ = y[m, 16*y0:16*(y0+n)], y[m+1, 16*y0:16*(y0+n)], y[m+2, 16*y0:16*(y0+n)], y[m+3, 16*y0:16*(y0+n)]
        if not add:
            for j in range(16 * n):
                y0_[j] = y1_[j] = y2_[j] = y3_[j] = 0
        for p in range(0, a.shape[1], 4):
            b0_, b1_, b2_, b3_ = b[p, 16*b0:16*(b0+n)], b[p+1, 16*b0:16*(b0+n)], b[p+2, 16*b0:16*(b0+n)], b[p+3, 16*b0:16*(b0+n)]
            a00, a01, a02, a03 = a[m, p], a[m, p+1], a[m, p+2], a[m, p+3]
            a10, a11, a12, a13 = a[m+1, p], a[m+1, p+1], a[m+1, p+2], a[m+1, p+3]
            a20, a21, a22, a23 = a[m+2, p], a[m+2, p+1], a[m+2, p+2], a[m+2, p+3]
            a30, a31, a32, a33 = a[m+3, p], a[m+3, p+1], a[m+3, p+2], a[m+3, p+3]
            for j in range(16 * n):
                c0, c1, c2, c3 = b0_[j], b1_[j], b2_[j], b3_[j]
                t0 = y0_[j] + a00 * c0 + a01 * c1 + a02 * c2 + a03 * c3
                t1 = y1_[j] + a10 * c0 + a11 * c1 + a12 * c2 + a13 * c3
                t2 = y2_[j] + a20 * c0 + a21 * c1 + a22 * c2 + a23 * c3
                t3 = y3_[j] + a30 * c0 + a31 * c1 + a32 * c2 + a33 * c3
                y0_[j], y1_[j], y2_[j], y3_[j] = t0, t1, t2, t3


@jit(flags={"contract", "reassoc", "nsz"})
def product_transposed(a, b, y, a0, y0, n):
    """y[:, y0:] += a[:, 16*a0:16*(a0+n)] · b[:, :16*n]ᵀ.  Rows of a and of b: multiples of 4.

    Sixteen dot products at once: 8 loads for 16 multiply-adds. `reassoc` lets LLVM keep the partial
    sums of each in the lanes of one register.
    """
    for f in range(0, a.shape[0], 4):
        a_0, a_1, a_2, a_3 = a[f, 16*a0:16*(a0+n)], a[f+1, 16*a0:16*(a0+n)], a[f+2, 16*a0:16*(a0+n)], a[f+3, 16*a0:16*(a0+n)]
        for p in range(0, b.shape[0], 4):
            b_0, b_1, b_2, b_3 = b[p, :16*n], b[p+1, :16*n], b[p+2, :16*n], b[p+3, :16*n]
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = y.dtype.type(0)
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = y.dtype.type(0)
            for j in range(16 * n):
                s00 += a_0[j] * b_0[j]; s01 += a_0[j] * b_1[j]; s02 += a_0[j] * b_2[j]; s03 += a_0[j] * b_3[j]
                s10 += a_1[j] * b_0[j]; s11 += a_1[j] * b_1[j]; s12 += a_1[j] * b_2[j]; s13 += a_1[j] * b_3[j]
                s20 += a_2[j] * b_0[j]; s21 += a_2[j] * b_1[j]; s22 += a_2[j] * b_2[j]; s23 += a_2[j] * b_3[j]
                s30 += a_3[j] * b_0[j]; s31 += a_3[j] * b_1[j]; s32 += a_3[j] * b_2[j]; s33 += a_3[j] * b_3[j]
            q = y0 + p
            y[f, q] += s00; y[f, q+1] += s01; y[f, q+2] += s02; y[f, q+3] += s03
            y[f+1, q] += s10; y[f+1, q+1] += s11; y[f+1, q+2] += s12; y[f+1, q+3] += s13
            y[f+2, q] += s20; y[f+2, q+1] += s21; y[f+2, q+2] += s22; y[f+2, q+3] += s23
            y[f+3, q] += s30; y[f+3, q+1] += s31; y[f+3, q+2] += s32; y[f+3, q+3] += s33
