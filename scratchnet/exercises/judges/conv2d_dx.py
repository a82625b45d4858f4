"""Strides 1, 2, 3 with and without padding; each with images of three kinds."""
from functools import partial

from ..exercise import wrong
from ..judging import gradients, regimes

SETTINGS = ((1, 0), (1, 1), (2, 1), (3, 0))


def build(rng, N, C, H, W, F, K, L):
    return rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, L))


def judge(answer, right):
    for stride, padding in SETTINGS:
        gradients(partial(right.conv2d, stride=stride, padding=padding),
                  lambda g, x, w: answer.conv2d_dx(g, w, x.shape, stride, padding), regimes(
                      build, (2, 3, 5, 4, 2, 3, 2), (1, 1, 5, 6, 2, 2, 3), (2, 2, 5, 5, 2, 3, 3)), wrt=["x"],
                      letters=("NCHW", "FCKL"))


HINTS = ("this is the forward run backwards: where it read a window of xp, you add to the same window of dxp",
         "zeros of the padded size; two loops; dxp[window of (i, j)] += einsum of g[:, :, i, j] (N, F) and w; return "
         "the inner part",
         "the share of place (i, j) is np.einsum(\"nf,fckl->nckl\", g[:, :, i, j], w); the image begins at [padding, "
         "padding] of dxp")

BACKGROUND = """
Written as a convolution of its own, dx needs the filter turned round and g spread out with stride − 1 zeros in
between; as a scatter it needs neither, and the same loops are the forward of a transposed convolution (four
exercises on).  Where (H + 2p − K) is no multiple of the stride, the last pixels were in no window: their gradient
is 0, and that is right.
"""

WRONG = (
    wrong("= for += in the scatter", "] += share", "] = share", "x OVERWRITTEN"),
    wrong("filter flipped", "share = np.einsum(\"nf,fckl->nckl\", g[:, :, i, j], w)",
          "share = np.einsum(\"nf,fckl->nckl\", g[:, :, i, j], w[:, :, ::-1, ::-1])",
          "x SUBST:w flipped", "x CONST:w flipped"),
    wrong("padding not cut off", "return dxp[:, :, padding:padding + H, padding:padding + W]", "return dxp",
          "x UNCROPPED"),
    wrong("cut one pixel off", "dxp[:, :, padding:padding + H, padding:padding + W]",
          "np.pad(dxp, ((0, 0), (0, 0), (0, 1), (0, 1)))[:, :, padding + 1:padding + 1 + H, padding + 1:padding + 1 + "
          "W]", "x SHIFTED"),
    wrong("stride forgotten", "dxp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]",
          "dxp[:, :, i:i + K, j:j + L]", "x CONST:stride=1"),
    wrong("last row and column left out", "    for i in range(I):\n        for j in range(J):\n            share",
          "    for i in range(I - 1):\n        for j in range(J - 1):\n            share",
          "x DY", "x CONTRIB"),
    wrong("channels of the filter swapped", "\"nf,fckl->nckl\", g[:, :, i, j], w)",
          "\"nf,cfkl->nckl\", g[:, :, i, j], w)", "x SUBST:w", "x CONST:w", "* CRASH_SHAPES"),
)
