"""The forward on whole numbers, where sums are exact; dw and db by the gradient checker (dx is the next exercise)."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values

SIZES = ((2, 3, 5, 4, 2, 3, 2), (3, 1, 4, 3, 2, 2, 2), (2, 2, 4, 4, 2, 2, 2))


def build(rng, N, C, H, W, F, K, L):
    return rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, L)), rng.standard_normal(F)


def whole(rng, *sizes):
    return tuple(rng.integers(-9, 10, a.shape).astype(float) for a in build(rng, *sizes))


def judge(answer, right):
    rng = np.random.default_rng(0)
    values("y", answer.conv2d, right.conv2d, [whole(rng, *size) for size in SIZES],
           ("TERMS bias", lambda x, w, b: right.conv2d(x, w, 0 * b), "the bias is not added"),
           ("SUBST w flipped", lambda x, w, b: right.conv2d(x, w[:, :, ::-1, ::-1], b),
            "the filter is turned round: in deep learning, [k, l] of the filter lies on [i+k, j+l] of the image"),
           ("CONTRIB channel", lambda x, w, b: right.conv2d(x[:, -1:], w[:, -1:], b),
            "only the last channel counts: '=' in a loop where '+=' is needed"),
           ("CONTRIB channel first", lambda x, w, b: right.conv2d(x[:, :1], w[:, :1], b),
            "only the first channel counts: sum over all of them"),
           ("TERMS bias twice", lambda x, w, b: right.conv2d(x, w, x.shape[1] * b),
            "the bias is added once per channel"), tol=0)
    gradients(right.conv2d, lambda g, x, w, b: answer.conv2d_backward(g, x, w), regimes(build, *SIZES), wrt=["w", "b"],
              sizes=sizes)


def sizes(x, w, b):
    (N, C, H, W), (F, C, K, L) = x.shape, w.shape
    return dict(N=N, I=H - K + 1, J=W - L + 1, C=C, F=F, K=K, L=L)


HINTS = ("there are three marks: y at one place, what one place adds to dw, and db after the loops",
         "y[:, :, i, j] is (N, F): an einsum of the window and w, plus b;  dw grows by an einsum of g[:, :, i, j] (N, "
         "F) and the window",
         "in dw the indices that stay are f c k l, and n is summed: \"nf,nckl->fckl\", with +=;  db sums g over "
         "images, rows and columns")

BACKGROUND = """
This is a cross-correlation: mathematics would turn the filter round first, deep learning does not.  Every place
adds to the same dw, so `=` instead of `+=` keeps the last place only; all gradients of shared weights are such
sums.  The same loops over places, compiled by Numba, are scratchnet/ops/conv_blocks.py; the three sums as one:
scratchnet/ops/conv.py.
"""

WRONG = (
    wrong("= for += in dw", "dw += np.einsum", "dw = np.einsum", "w OVERWRITTEN", "w CONTRIB"),
    wrong("filter flipped in the forward", "\"nckl,fckl->nf\", window, w) + b",
          "\"nckl,fckl->nf\", window, w[:, :, ::-1, ::-1]) + b", "y SUBST:w flipped"),
    wrong("bias forgotten", ", window, w) + b", ", window, w)", "y TERMS:bias"),
    wrong("db not summed over the image", "g.sum(axis=(0, 2, 3))", "g.sum(axis=0)", "b UNSUMMED"),
    wrong("db averaged over places", "g.sum(axis=(0, 2, 3))", "g.mean(axis=(2, 3)).sum(axis=0)", "b RATIO:1/(I*J)"),
    wrong("dw divided by the batch", "    # >>> db\n", "    dw /= len(x)\n    # >>> db\n", "w RATIO:1/N"),
    wrong("dw flipped", "    # >>> db\n", "    dw = dw[:, :, ::-1, ::-1].copy()\n    # >>> db\n", "w FLIPPED"),
    wrong("only the first image", "np.einsum(\"nf,nckl->fckl\", g[:, :, i, j], window)",
          "np.einsum(\"f,ckl->fckl\", g[0, :, i, j], window[0])",
          "w CONTRIB:batch: first only"),
)
