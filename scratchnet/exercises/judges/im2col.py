"""im2col by value and against a convolution; col2im as its gradient, and by the adjoint identity."""
from functools import partial

import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, require, values

SIZES = ((2, 3, 5, 6, 2, 3), (3, 1, 5, 4, 3, 2), (2, 2, 5, 5, 3, 3))


def reordered(x, K, L, stride, right):
    """The windows as they come, (N, C, K, L, I, J), without the transpose."""
    N, C, H, W = x.shape
    I, J = (H - K) // stride + 1, (W - L) // stride + 1
    cols = right.im2col(x, K, L, stride).reshape(N, I, J, C, K, L)
    return cols.transpose(0, 3, 4, 5, 1, 2).reshape(N * I * J, C * K * L)


def columns(x, K, L, stride, right):
    """Columns that count k, l, c."""
    cols = right.im2col(x, K, L, stride)
    return cols.reshape(len(cols), x.shape[1], K * L).transpose(0, 2, 1).reshape(cols.shape)


def col2im(dcols, x_shape, K, L, stride, right, slip):
    """col2im with a known slip."""
    (N, C, H, W), dx = x_shape, np.zeros(x_shape)
    I, J = (H - K) // stride + 1, (W - L) // stride + 1
    cols = dcols.reshape(N, I, J, C, K, L)
    if slip == "rows":
        cols = dcols.reshape(N, J, I, C, K, L).transpose(0, 2, 1, 3, 4, 5)
    if slip == "columns":
        cols = dcols.reshape(N, I, J, K, L, C).transpose(0, 1, 2, 5, 3, 4)
    step = 1 if slip == "stride" else stride
    for k in range(K):
        for l in range(L):
            window = dx[:, :, k:k + step * I:step, l:l + step * J:step]
            window[:] = cols[..., k, l].transpose(0, 3, 1, 2) + (0 if slip == "=" else window)
    return dx


def first_places(x, K, L, stride, right):
    """As many windows as there are with this stride, but one pixel apart."""
    I, J = (x.shape[2] - K) // stride + 1, (x.shape[3] - L) // stride + 1
    return right.im2col(x[:, :, :I + K - 1, :J + L - 1], K, L, 1)


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = [(rng.integers(-9, 10, (N, C, H, W)).astype(float), K, L, stride)
             for N, C, H, W, K, L in SIZES for stride in (1, 2)]
    values("cols", answer.im2col, right.im2col, cases,
           ("REORDERED rows", lambda *a: reordered(*a, right),
            "the right numbers in the wrong order: reshape was used before the axes were "
            "brought into the order n i j c k l"),
           ("REORDERED columns", lambda *a: columns(*a, right),
            "the columns count k, l, c; they must count c, k, l, as w.reshape(F, -1) does"),
           ("CONST stride=1", lambda *a: first_places(*a, right),
            "this is what stride 1 gives, at the first places"), tol=0)
    back = [(rng.standard_normal(right.im2col(*case).shape), case[0].shape, *case[1:]) for case in cases]
    values("x", answer.col2im, right.col2im, back,
           ("CONST stride=1", lambda *a: col2im(*a, right, slip="stride"),
            "the windows are put back at the places of stride 1"),
           ("OVERWRITTEN", lambda *a: col2im(*a, right, slip="="),
            "windows overlap, and only the last one counts: '=' where '+=' is needed"),
           ("REORDERED rows", lambda *a: col2im(*a, right, slip="rows"),
            "the rows count n, j, i here; they must count n, i, j"),
           ("REORDERED columns", lambda *a: col2im(*a, right, slip="columns"),
            "the columns count k, l, c here; they must count c, k, l"))
    for stride in (1, 2):
        for N, C, H, W, K, L in SIZES:
            gradients(partial(right.im2col, K=K, L=L, stride=stride),
                      lambda g, x: answer.col2im(g, x.shape, K, L, stride), regimes(
                          lambda rng, *shape: (rng.standard_normal(shape),), (N, C, H, W), (N + 1, C, H + 1, W)),
                          letters=("NCHW",))
    x, K, L, stride = cases[1]
    u = rng.standard_normal(right.im2col(x, K, L, stride).shape)
    a, b = np.sum(u * answer.im2col(x, K, L, stride)), np.sum(x * answer.col2im(u, x.shape, K, L, stride))
    require(abs(a - b) < 1e-9 * abs(a), "x", "VALUE",
            f"⟨u, im2col(x)⟩ is {a:.6g}, but ⟨col2im(u), x⟩ is {b:.6g}: they must be equal")


HINTS = ("im2col gathers, col2im scatters: the same loop and the same slices, read in the one and written to in the "
         "other",
         "room for (N, I, J, C, K, L), a loop over k and l, and one reshape at the end (im2col) or at the beginning "
         "(col2im)",
         "the slice of x is (N, C, I, J): .transpose(0, 2, 3, 1) makes it (N, I, J, C) for im2col; back it goes with "
         "(0, 3, 1, 2), and +=")

BACKGROUND = """
For every linear map A, ⟨u, A x⟩ = ⟨Aᵀu, x⟩: that is an exact test of a backward, without any step h, and scratchnet's
convolutions are tested so.  im2col copies each pixel K·L times; that memory traffic is why scratchnet's own kernels
(scratchnet/ops/conv_blocks.py) copy a few channels and rows at a time, which never leave the cache.
"""

WRONG = (
    wrong("= for += in col2im", "l:l + stride * J:stride] += cols", "l:l + stride * J:stride] = cols", "x OVERWRITTEN"),
    wrong("reshape without transpose", "return cols.reshape(N * I * J, C * K * L)",
          "return cols.transpose(0, 3, 4, 5, 1, 2).reshape(N * I * J, C * K * L)", "cols REORDERED:rows"),
    wrong("columns count k, l, c", "return cols.reshape(N * I * J, C * K * L)",
          "return cols.transpose(0, 1, 2, 4, 5, 3).reshape(N * I * J, C * K * L)",
          "cols REORDERED:columns"),
    wrong("stride forgotten", "x[:, :, k:k + stride * I:stride, l:l + stride * J:stride].transpose",
          "x[:, :, k:k + I, l:l + J].transpose", "cols CONST:stride=1"),
    wrong("rows of col2im in another order", "cols = dcols.reshape(N, I, J, C, K, L)",
          "cols = dcols.reshape(N, J, I, C, K, L).transpose(0, 2, 1, 3, 4, 5)",
          "x REORDERED:rows"),
    wrong("stride forgotten in col2im", "dx[:, :, k:k + stride * I:stride, l:l + stride * J:stride] +=",
          "dx[:, :, k:k + I, l:l + J] +=", "x CONST:stride=1"),
)
