"""Two matrix products that all heavy layers are made of: one adds rows to rows, the other multiplies rows with rows.

    y = a · b        y[m,n] = Σ_p a[m,p] · b[p,n]            y = a · bᵀ        y[f,p] = Σ_n a[f,n] · b[p,n]

A core multiplies and adds 32 float32 in one tick, if it finds them in its registers and first cache.  So each pass of
the inner loop is 16 to 20 multiply-adds on 8 or 9 loads; whoever calls cuts its matrices into blocks that stay in the
L2 cache, whose rows start at multiples of 64 bytes and are whole registers long (lanes.buffer).
(Zen 5 at 3.7 GHz, one core, of 239 GFLOP/s that the registers allow: 224 and 210; OpenBLAS 0.3.31: 107.)
"""
from ..kernel import jit


@jit(flags={"contract"})
def product(a, b, y, b0, y0, n, add):
    """y[:, y0:y0+n] = a · b[:, b0:b0+n], or += if add.  b0, y0, n count pixels, sixteen columns each.

    Rows of a: a multiple of 5, of b: of 4; a may have more columns than b has rows.  Four rows of b are added to five
    rows of y in one pass: 9 loads and 5 stores for 20 multiply-adds, with the twenty numbers of a in registers, of
    which there are 32 (4×4: a sixth slower, 6×4 and 5×5: some percent).  The five rows of y stay in the L1 cache
    while all of b passes by.  range(16 * n) tells LLVM that whole registers suffice: no scalar loop for a remainder,
    which would take the registers away.
    """
    b0, b1, y0, y1 = 16 * b0, 16 * (b0 + n), 16 * y0, 16 * (y0 + n)
    for m in range(0, a.shape[0], 5):
        ya, yb, yc, yd, ye = y[m, y0:y1], y[m+1, y0:y1], y[m+2, y0:y1], y[m+3, y0:y1], y[m+4, y0:y1]
        if not add:
            for j in range(16 * n):
                ya[j] = yb[j] = yc[j] = yd[j] = ye[j] = 0
        for p in range(0, len(b), 4):
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
