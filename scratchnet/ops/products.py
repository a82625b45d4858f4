"""Two matrix products that all heavy layers are made of: one adds rows to rows, the other multiplies rows with rows.

    y = a · b        y[m,n] = Σ_p a[m,p] · b[p,n]            y = a · bᵀ        y[f,p] = Σ_n a[f,n] · b[p,n]

Below they are in plain loops, to read, to step through (NUMBA_DISABLE_JIT=1) and to check bounds with (NUMBA_BOUNDSCHECK=1),
set before Python starts.
What runs is in registers.py: the same sums, which stay in the processor's registers until they are complete.  Whoever calls
cuts its matrices into blocks that stay in the L2 cache, whose rows start at multiples of 64 bytes (lanes.room, lanes.buffer).
"""
from ..kernel import jit


@jit(intrinsic="registers.product")
def product(a, b, y, b0, y0, n, add, start):
    """y[:, y0:y0+n] += a · b[:, b0:b0+n]; if not add, = start[:, None] + a · b[…].  b0, y0, n count pixels, 16 columns each."""
    for m in range(len(a)):
        row = y[m, 16*y0:16*(y0 + n)]
        if not add:
            row[:] = start[m]
        for p in range(len(b)):
            row += a[m, p] * b[p, 16*b0:16*(b0 + n)]


@jit(intrinsic="registers.product_transposed")
def product_transposed(a, b, y, a0, y0, n, add):
    """y[:, y0:] += a[:, a0:a0+n] · b[:, :n]ᵀ, or = if not add.  a0, n count pixels, 16 columns each.  Rows: multiples of 4."""
    for f in range(len(a)):
        for p in range(len(b)):
            if not add:
                y[f, y0 + p] = 0
            y[f, y0 + p] += (a[f, 16*a0:16*(a0 + n)] * b[p, :16*n]).sum()
