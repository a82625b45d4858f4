"""The layer through one function per setting, so that the checker knows stride and padding by name."""
from functools import partial

from ..exercise import wrong
from ..judging import gradients, regimes

PLANTED = ("""\
                dxp[self.at(k, l, I, J)] += np.einsum("nfij,fc->ncij", g, self.w[:, :, k, l])
""", """\
                dxp[self.at(k, l, I, J)] += np.einsum("nfij,fc->ncij", g, self.w[:, :, K - 1 - k, L - 1 - l])
""")


def build(rng, N, C, H, W, F, K, L):
    return rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, L)), rng.standard_normal(F)


def judge(answer, right):
    for stride, padding in ((1, 1), (2, 0), (2, 1)):
        def forward(x, w, b, *, stride, padding):
            return right.Conv2d(w, b, stride, padding).forward(x)

        def backward(g, x, w, b):
            layer = answer.Conv2d(w, b, stride, padding)
            layer.forward(x)
            return layer.backward(g)
        gradients(partial(forward, stride=stride, padding=padding), backward, regimes(
            build, (2, 3, 5, 4, 2, 3, 2), (3, 1, 4, 6, 2, 2, 3), (2, 2, 4, 4, 2, 3, 3)),
                  letters=("NCHW", "FCKL"))


HINTS = ("w and b are right, x is wrong, with every stride and padding",
         "the forward takes xp[at(k, l)] times w[k, l]; backward has to send to the same at(k, l) with the same weight",
         "in the line of dxp the filter is read from its last weight to its first")

BACKGROUND = """
"For the gradient of the input the kernel must be flipped" stands in every book, and is true of the formula that
writes dx as a convolution of a padded g.  In a scatter the flip is already in the indices; whoever flips as well
flips twice.  With a symmetric filter, a blur for instance, nothing is wrong: random weights find it.
"""

WRONG = (
    wrong("= for += in the scatter", "dxp[self.at(k, l, I, J)] += np", "dxp[self.at(k, l, I, J)] = np", "x OVERWRITTEN",
          "x CONTRIB", "x LOCAL"),
    wrong("padding not cut off", "return dxp[:, :, p:p + H, p:p + W], dw, db", "return dxp, dw, db", "x UNCROPPED"),
    wrong("dw flipped", "dw[:, :, k, l] = np.einsum", "dw[:, :, K - 1 - k, L - 1 - l] = np.einsum", "w FLIPPED"),
    wrong("db not summed over the image", "db = g.sum(axis=(0, 2, 3))", "db = g.sum(axis=0)", "b UNSUMMED"),
    wrong("db averaged over the batch", "db = g.sum(axis=(0, 2, 3))", "db = g.sum(axis=(2, 3)).mean(axis=0)",
          "b RATIO:1/N"),
    wrong("cut at the wrong corner", "dxp[:, :, p:p + H, p:p + W]", "dxp[:, :, :H, :W]", "x SHIFTED", "x DY"),
    wrong("channels of w swapped", "\"nfij,fc->ncij\", g, self.w[:, :, k, l]",
          "\"nfij,cf->ncij\", g, self.w[:, :, k, l]", "x SUBST:w", "* CRASH_SHAPES", "x TRANSPOSED"),
)
