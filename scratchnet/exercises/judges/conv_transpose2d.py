"""The forward on whole numbers; the backward by the checker; ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ against scratchnet's conv2d."""
from functools import partial

import numpy as np

import scratchnet as sn

from ..exercise import wrong
from ..judging import gradients, regimes, require, values

SETTINGS = ((1, 0, 0), (2, 1, 1), (2, 0, 1), (3, 1, 0))
SIZES = ((2, 3, 3, 4, 2, 3, 4), (1, 1, 2, 4, 2, 4, 3), (2, 2, 3, 3, 2, 3, 3))


def build(rng, N, F, I, J, C, K, L):
    return rng.standard_normal((N, F, I, J)), rng.standard_normal((F, C, K, L))


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = [(*(rng.integers(-9, 10, a.shape).astype(float) for a in build(rng, *size)),
              *s) for size in SIZES for s in SETTINGS]
    forward = right.conv_transpose2d
    values("y", answer.conv_transpose2d, forward, cases,
           ("SUBST w flipped", lambda x, w, *s: forward(x, w[:, :, ::-1, ::-1], *s),
            "the filter is turned round: [k, l] of it goes to [s·i+k, s·j+l]"),
           ("OVERWRITTEN", lambda x, w, *s: overwritten(x, w, *s),
            "windows overlap, and only the last one counts there: '=' where '+=' is needed"),
           ("UNCROPPED", lambda x, w, s, p, q: forward(x, w, s, 0, q),
            "the p rows and columns on each side are not cut off"),
           ("CONST output_padding=0", lambda x, w, s, p, q: forward(x, w, s, p, 0),
            "the output padding is not used: the result is q too small"), tol=0)
    for stride, padding, extra in SETTINGS:
        gradients(partial(forward, stride=stride, padding=padding, output_padding=extra),
                  lambda g, x, w: answer.conv_transpose2d_backward(g, x, w, stride, padding), regimes(build, *SIZES),
                  letters=("NFIJ", "FCKL"))
    x, w, stride, padding, extra = cases[1]
    y = answer.conv_transpose2d(x, w, stride, padding, extra)
    u = rng.standard_normal(y.shape)
    a, b = np.sum(u * y), np.sum(x * sn.conv2d(sn.Tensor(u), w, stride=stride, padding=padding).numpy())
    require(abs(a - b) < 1e-9 * abs(a), "y", "VALUE",
            f"⟨y, u⟩ is {a:.6g}, but ⟨x, conv2d(u)⟩ is {b:.6g}: they must be equal")


def overwritten(x, w, stride, padding, extra):
    (N, F, I, J), (F, C, K, L) = x.shape, w.shape
    H, W = stride * (I - 1) + K + extra, stride * (J - 1) + L + extra
    yp = np.zeros((N, C, H, W))
    for i in range(I):
        for j in range(J):
            yp[:, :, stride * i:stride * i + K, stride * j:stride * j + L] = np.einsum("nf,fckl->nckl", x[:, :, i, j],
                                                                                       w)
    return yp[:, :, padding:H - padding, padding:W - padding]


HINTS = ("the forward is conv2d_dx with other names; the backward reads windows, as conv2d_loops did",
         "forward: zeros (N, C, H, W), += in a window, cut; backward: a window of gp (N, C, K, L), from which dx[:, "
         ":, i, j] (N, F) and a share of dw",
         "forward: einsum \"nf,fckl->nckl\", cut [padding:H - padding]; dx: \"nckl,fckl->nf\"; dw: \"nf,nckl->fckl\" "
         "with +=")

BACKGROUND = """
"Transposed", because the convolution is a matrix product y = A x with a matrix full of zeros, and this layer is Aᵀ.
"Deconvolution" is a misnomer: nothing is undone.  Where the stride does not divide the filter, some pixels get
more shares than others: the checkerboards of early GANs.  The three sums here are those of conv2d with letters
exchanged (scratchnet/ops/conv.py).
"""

WRONG = (
    wrong("output padding ignored", "yp = np.zeros((N, C, H, W))",
          "H, W = H - output_padding, W - output_padding\n    yp = np.zeros((N, C, H, W))",
          "y CONST:output_padding=0"),
    wrong("= for += in the scatter", "window += np.einsum(\"nf,fckl->nckl\"", "window[:] = np.einsum(\"nf,fckl->nckl\"",
          "y OVERWRITTEN"),
    wrong("padding not cut", "return yp[:, :, padding:H - padding, padding:W - padding]", "return yp", "y UNCROPPED"),
    wrong("filter flipped in dx", "np.einsum(\"nckl,fckl->nf\", window, w)",
          "np.einsum(\"nckl,fckl->nf\", window, w[:, :, ::-1, ::-1])", "x SUBST:w flipped"),
    wrong("stride ignored in backward", "window = gp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]",
          "window = gp[:, :, i:i + K, j:j + L]",
          "x CONST:stride=1"),
    wrong("= for += in dw", "dw += np.einsum", "dw = np.einsum", "w CONTRIB", "w OVERWRITTEN"),
    wrong("channels of dw swapped", "    return dx, dw\n", "    return dx, dw.transpose(1, 0, 2, 3)\n", "w TRANSPOSED"),
    wrong("window one pixel off", "window = gp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]",
          "window = np.pad(gp, ((0, 0), (0, 0), (0, 1), (0, 1)))[:, :, stride * i + 1:stride * i + 1 + K, stride * j "
          "+ 1:stride * j + 1 + L]", "x DY:g shifted"),
)
