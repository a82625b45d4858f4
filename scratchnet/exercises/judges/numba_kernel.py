"""First as plain Python, which notices bad indices; then compiled; then from several threads, 300 times."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

import scratchnet as sn

from ..exercise import wrong
from ..judging import Finding, Slip, python_of, require, values
from ..numba_errors import translated

SIZES = ((3, 2, 4, 5, 2, 2, 3), (2, 1, 3, 3, 3, 1, 1), (2, 2, 4, 4, 2, 2, 2))
BEFORE = 7.0                                    # what y has in it


def warm():
    """Start the compiler ahead of time."""
    njit(lambda x: x[0, 0, 0, 0] + 1.0, nogil=True)(np.zeros((1, 1, 1, 1)))


def cases():
    rng = np.random.default_rng(0)
    return [(rng.integers(-9, 10, (N, C, H, W)).astype(float), rng.integers(-9, 10, (F, C, K, L)).astype(float))
            for N, C, H, W, F, K, L in SIZES]


def ours(x, w):
    with sn.use_kernels("numpy"):
        return sn.conv2d(sn.Tensor(x), w).numpy()


def through(kernel, x, w, run=lambda calls: [call() for call in calls]):
    """y, image by image."""
    y = np.full((len(x), len(w), x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1), BEFORE)
    run([lambda n=n: kernel(x, w, y, n) for n in range(len(x))])
    return y


SLIPS = (
    ("ACCUMULATES", lambda x, w: ours(x, w) + BEFORE,
     "what was in y before is still in it: y[n, f, i, j] must be set, not only added to"),
    ("SUBST w flipped", lambda x, w: ours(x, w[:, :, ::-1, ::-1].copy()),
     "the filter is turned round: [k, l] of it lies on [i + k, j + l] of the image"),
    ("CONTRIB last only", lambda x, w: x[:, -1:, w.shape[2] - 1:, w.shape[3] - 1:] * w[None, :, -1, -1, -1, None, None],
     "only the last term of the sum is there: '=' where '+=' is needed"),
)


def judge(answer, right):
    kernel = answer.conv_image
    require(hasattr(kernel, "py_func"), "conv_image", "GONE",
            "conv_image is not compiled any more: keep @njit(nogil=True) above it")
    plain = python_of(kernel)
    for x, w in cases()[:1]:
        y = np.full((len(x), len(w), x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1), BEFORE)
        plain(x, w, y, 1)
        require((y[[0, 2]] == BEFORE).all(), "y", "RACE",
                "a call for image 1 also writes into other images: another thread may be "
                "at work on those")
    values("y", lambda x, w: through(plain, x, w), ours, cases(), *SLIPS, tol=0)
    try:
        kernel(*cases()[0], np.zeros((3, 2, 3, 3)), 0)
    except Exception as error:
        finding = translated(error, path_of(plain))
        if finding is None:
            raise
        plainly = "run as plain Python the same code gives the right numbers: only its types stand in the way"
        raise Slip(finding, Finding("conv_image", "PLAIN", "", plainly)) from None
    values("y", lambda x, w: through(kernel, x, w), ours, cases(), *SLIPS, tol=0)
    with ThreadPoolExecutor(4) as pool:
        x, w = cases()[0]
        want = ours(x, w)
        for _ in range(300):
            got = through(kernel, x, w, lambda calls: list(pool.map(lambda call: call(), calls)))
            require(np.array_equal(got, want), "y", "RACE",
                    "with four threads the result is now and then another one: two calls write to one place")


def path_of(function):
    from pathlib import Path
    return Path(function.__code__.co_filename)


HINTS = ("write the formula as loops from the outside in: first what is on its left, f i j, then what is summed, c k l",
         "inside the first three loops: a sum that starts at 0.0, three loops that add products, and one assignment "
         "to y[n, f, i, j]",
         "the innermost line: total += x[n, c, i + k, j + l] * w[f, c, k, l]; n is given, so there is no loop over it")

BACKGROUND = """
Threads are safe here because nobody shares a result: "parallel over outputs" is the rule for every kernel of
scratchnet (scratchnet/threads.py, `share`), and why its results have the same bits for any number of threads.
Sums shared between threads would need an order, or locks.  Its convolution adds blocking for the cache:
scratchnet/ops/conv_blocks.py.
"""

SUM = """\
                for c in range(C):
                    for k in range(K):
                        for l in range(L):
                            total += x[n, c, i + k, j + l] * w[f, c, k, l]
                y[n, f, i, j] = total
"""
WRONG = (
    wrong("y added to, never set", "y[n, f, i, j] = total", "y[n, f, i, j] += total", "y ACCUMULATES"),
    wrong("loops over all images", "    for f in range(F):\n",
          "    for n in range(len(x)):\n      for f in range(F):\n", "y RACE"),
    wrong("= for +=", "total += x", "total = x", "y CONTRIB:last only"),
    wrong("filter flipped", "* w[f, c, k, l]", "* w[f, c, K - 1 - k, L - 1 - l]", "y SUBST:w flipped"),
    wrong("an array where a number was", SUM, """\
                for c in range(C):
                    total = total + x[n, c, i:i + K, j:j + L] * w[f, c]
                y[n, f, i, j] = np.sum(total)
""", "* NUMBA"),
    wrong("einsum", "                total = 0.0\n", "                total = 0.0 * np.einsum(\"ckl->\", w[f])\n",
          "* NUMBA"),
    wrong("index beyond the array", "x[n, c, i + k, j + l] *", "x[n, c, i + k + 1, j + l] *", "* ERROR:IndexError"),
)
