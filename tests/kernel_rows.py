"""For every kernel with a fast version: how to draw its arguments, and arguments large enough for threads.

    "name": (draw, large)       both get numbers(shape), which gives an array of the kind under test

A kernel without a row here fails test_kernels.py.
"""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.kernel import Kernel
from scratchnet.models.kmeans_tiles import Rows
from scratchnet.ops.lanes import in_lanes
from tests.op_cases import REGIMES, Draw, pair
from tests.op_cases_images import geometry, out_length, windows


def pairs(settings: dict) -> tuple:
    return tuple(pair(settings[k]) for k in ("stride", "padding", "dilation"))


def some_geometry(d):
    """As for the ops; or larger, so that there are several blocks of images, of rows, of filter entries."""
    if d.pick("small", "small", "large") == "small":
        return geometry(d)
    N, C, F, K, L = d.pick(16, 17, 32, 33, 1), d.pick(1, 3, 24), d.pick(17, d.int(1, 9)), d.int(1, 4), d.int(1, 4)
    H, W = d.int(8, 14), d.int(8, 14)
    s, p, q = d.both(1, 3), d.both(0, (K - 1, L - 1)), d.both(1, 2)
    IJ = tuple(out_length(*each) for each in zip((H, W), (K, L), pair(s), pair(p), pair(q)))
    return N, C, F, (K, L), (H, W), IJ, {"stride": s, "padding": p, "dilation": q}


def conv_y(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    b = numbers((F,)) if d.pick(True, False) else None
    x = maybe_lanes(d, numbers((N, C, *HW)))
    return x, numbers((F, C, *KL)), b, *pairs(settings), d.pick(None, 0.0, 0.25), lanes(d, x)


def conv_dx(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    b = numbers((C,)) if d.pick(True, False) else None
    g = maybe_lanes(d, numbers((N, F, *IJ)))
    y = where(d, numbers, g.shape)
    slope = d.pick(0.0, 0.25, *[None] * (y is None))
    return g, numbers((F, C, *KL)), b, HW, *pairs(settings), slope, y, lanes(d, g)


def conv_dw(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    return maybe_lanes(d, numbers((N, C, *HW))), maybe_lanes(d, numbers((N, F, *IJ))), KL, *pairs(settings)


def conv_dw_db(d, numbers):
    x, g, *rest = conv_dw(d, numbers)
    return x, g, *rest, where(d, numbers, g.shape), d.pick(0.0, 0.25)


def conv_dx_dw_db(d, numbers):
    x, w, g, *rest = conv_y_dw_db(d, numbers)
    return x, w, g, *rest[:3], where(d, numbers, g.shape), *rest[4:]


def conv_y_dw_db(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    x, g = maybe_lanes(d, numbers((N, C, *HW))), maybe_lanes(d, numbers((N, F, *IJ)))
    y = where(d, numbers, x.shape)
    return x, numbers((F, C, *KL)), g, *pairs(settings), y, d.pick(0.0, 0.25), lanes(d, x)


def maybe_lanes(d, x):
    return in_lanes(x) if len(x) % 16 == 0 and d.pick(False, True) else x


def lanes(d, x):
    """May the result be in lanes?"""
    return (16 if x.ndim == 5 else len(x)) % 16 == 0 and d.pick(False, True)


def where(d, numbers, shape):
    """The output of a ReLU, perhaps a leaky one; or None."""
    return np.maximum(numbers(shape), d.pick(0, -1)) if d.pick(True, False) else None


def images(d, numbers):
    return numbers(d.lengths(4)),


def argmax_windows(d, numbers):
    full, _, settings = windows(d, lambda k: k // 2)
    K = pair(settings["size"])
    return numbers(full), K, pair(settings["stride"] or K), pair(settings["padding"])


def take_pixels(d, numbers):
    N, C, H, W = d.lengths(4)
    return numbers((N, C, H, W)), d.rng.integers(0, H * W, (N, C, d.int(1, 4), d.int(1, 4)))


def put_pixels(d, numbers):
    N, C, H, W = d.lengths(4)
    where = d.rng.integers(0, H * W, (N, C, d.int(1, 4), d.int(1, 4)))
    return numbers(where.shape), where, (H, W)


def affine_images(d, numbers):
    N, C, H, W = d.lengths(4)
    return numbers((N, C, H, W)), numbers((N, 2, 3))


def rows_and_centres(d, numbers):
    """Few rows, or enough for several blocks of them."""
    D = d.pick(d.int(1, 5), d.int(15, 40))
    return numbers((d.pick(d.int(1, 9), d.int(100, 300)), D)), numbers((d.int(1, 7), D))


def reassigned(d, numbers):
    """With a sketch of a few columns, of none, or of all; labels from before."""
    x, w, _, old, k = regrouped(d, numbers)
    return x, numbers((k, x.shape[1])), Rows(x, d.pick(0, 1, 3, 8, 64)), w, old


def own_squares(d, numbers):
    x, c = rows_and_centres(d, numbers)
    return x, c, d.rng.integers(0, len(c), len(x))


def regrouped(d, numbers):
    x, c = rows_and_centres(d, numbers)
    k, N = len(c), len(x)
    return x, numbers((N,)), d.rng.integers(0, k, N), d.rng.integers(-(k > 1), k, N), k     # −1: in none


def one_array(d, numbers):
    return numbers(d.shape()),


def two_arrays(d, numbers):
    shape = d.shape()
    return numbers(shape), numbers(shape)


def per_channel(*count):
    """Images, and so many more arrays: as large, or one number for each channel."""
    def arguments(d, numbers):
        shape = d.lengths(4)
        return tuple(numbers(shape if kind == "images" else shape[1:2]) for kind in count)
    return arguments


def matrices(arrange):
    """x (N,D), w (D,M), g (N,M): two of the three; or so large that the products are cut into blocks; or M = 1."""
    def arguments(d, numbers):
        N, D, M = {"small": (d.int(1, 9), d.int(1, 9), d.int(1, 9)), "column": (d.int(1, 300), d.int(1, 300), 1),
                   "large": (d.int(120, 140), 16 * d.int(17, 20), 16 * d.int(33, 35))}[d.pick("small", "large", "column")]
        return arrange(numbers, (N, D), (D, M), (N, M))
    return arguments


def matmul_y(d, numbers):
    x, w = matrices(lambda n, x, w, g: (n(x), n(w)))(d, numbers)
    return x, w, d.pick(None, numbers(w.shape[1:])), d.pick(None, 0.0, 0.25)


def through_relu(arguments):
    """And perhaps the output of the ReLU behind them, leaky or not, and its slope."""
    def more(d, numbers):
        args = arguments(d, numbers)
        return (*args, where(d, numbers, args[0].shape), d.pick(0.0, 0.25))
    return more


def maybe_slope(arguments):
    return lambda d, numbers: (*arguments(d, numbers), d.pick(None, 0.0, 0.25))


def slope(arguments):
    return lambda d, numbers: (*arguments(d, numbers), d.pick(0.0, 0.25, 2.0, -0.5))


def bce_slope(d, numbers):
    shape = d.shape()
    return numbers(shape), numbers(shape), np.abs(numbers(shape)), d.pick(1.0, -0.5)


def adam_step(d, numbers):
    shape = d.shape()
    p, m, v, g = (numbers(shape) for _ in range(4))
    return p, m, np.abs(v), g, *ADAM


ADAM = (0.875, 0.75, 0.5, 2.0, 0.25)
ONE, TWO = (1, 1), (2, 2)
MANY = (3, 100_000)                             # enough for the elementwise kernels to use threads
WIDE = (4000, 300)                              # several blocks of rows for k-means, several slices of columns
ROWS = {                                        # kernel -> (drawn arguments, arguments large enough for threads)
    "conv_y": (conv_y, lambda n: (n((48, 3, 9, 8)), n((5, 3, 3, 2)), n((5,)), TWO, ONE, ONE, 0.25, True)),
    "conv_dx": (conv_dx, lambda n: (in_lanes(n((48, 5, 5, 5))), n((5, 3, 3, 2)), n((3,)), (9, 8), TWO, ONE, ONE)),
    "conv_dw": (conv_dw, lambda n: (n((37, 3, 9, 8)), n((37, 5, 5, 5)), (3, 2), TWO, ONE, ONE)),
    "conv_dw_db": (conv_dw_db, lambda n: (n((37, 3, 9, 8)), n((37, 5, 5, 5)), (3, 2), TWO, ONE, ONE, n((37, 5, 5, 5)))),
    "conv_dx_dw_db": (conv_dx_dw_db, lambda n: (n((37, 3, 9, 8)), n((5, 3, 3, 2)), n((37, 5, 5, 5)), TWO, ONE, ONE,
                                                n((37, 5, 5, 5)), 0.25)),
    "conv_y_dw_db": (conv_y_dw_db, lambda n: (n((37, 3, 9, 8)), n((5, 3, 3, 2)), n((37, 5, 5, 5)), TWO, ONE, ONE,
                                              n((37, 3, 9, 8)))),
    "channel_sum": (images, lambda n: (n((37, 5, 9, 8)),)),
    "argmax_windows": (argmax_windows, lambda n: (n((17, 3, 9, 8)), (3, 2), TWO, ONE)),
    "take_pixels": (take_pixels, lambda n: (n((17, 3, 4, 4)), np.arange(17 * 12).reshape(17, 3, 2, 2) % 16)),
    "put_pixels": (put_pixels, lambda n: (n((17, 3, 2, 2)), np.arange(17 * 12).reshape(17, 3, 2, 2) % 16, (4, 4))),
    "affine_images": (affine_images, lambda n: (n((37, 2, 9, 8)), n((37, 2, 3)))),
    "squares": (rows_and_centres, lambda n: (n(WIDE), n((7, 300)))),
    "nearest": (rows_and_centres, lambda n: (n((1200, 640)), n((100, 640)))),
    "reassigned": (reassigned, lambda n: (x := n((1200, 640)), n((100, 640)), Rows(x, 40), n(1200),
                                          np.arange(1200) % 101 - 1)),
    "own_squares": (own_squares, lambda n: (n(WIDE), n((7, 300)), np.arange(WIDE[0]) % 7)),
    "column_moments": (lambda d, n: rows_and_centres(d, n)[:1], lambda n: (n(WIDE),)),
    "regrouped": (regrouped, lambda n: (n((8000, 300)), n(8000), np.arange(8000) % 7, np.arange(8000) % 5 - 1, 7)),
    "positive_part": (one_array, lambda n: (n(MANY),)),
    "where_positive": (two_arrays, lambda n: (n(MANY), n(MANY))),
    "matmul_y": (matmul_y, lambda n: (n((80, 272)), n((272, 576)), n((576,)), 0.25)),
    "matmul_dw": (matrices(lambda n, x, w, g: (n(x), n(g))), lambda n: (n((272, 80)), n((272, 576)))),
    "matmul_dx": (matrices(lambda n, x, w, g: (n(g), n(w))), lambda n: (n((80, 576)), n((272, 576)))),
    "bce_slope": (bce_slope, lambda n: (n(MANY), n(MANY), np.exp(-np.abs(n(MANY))), 0.25)),
    "leaky_part": (slope(one_array), lambda n: (n(MANY), 0.2)),
    "leaky_slope": (slope(two_arrays), lambda n: (n(MANY), n(MANY), 0.2)),
    "channel_dots": (through_relu(per_channel("images", "images", "c")),
                     lambda n: (n((37, 5, 9, 8)), n((37, 5, 9, 8)), n((5,)), n((37, 5, 9, 8)), 0.2)),
    "channel_rest": (through_relu(per_channel("images", "images", *"cccc")),
                     lambda n: (n((37, 5, 9, 8)), n((37, 5, 9, 8)), *n((4, 5)), n((37, 5, 9, 8)), 0.2)),
    "channel_moments": (per_channel("images"), lambda n: (n((37, 5, 9, 8)),)),
    "channel_scale": (maybe_slope(per_channel("images", "c", "c", "c")), lambda n: (n((37, 5, 9, 8)), n((5,)), n((5,)), n((5,)))),
    "adam_step": (adam_step, lambda n: (n(MANY), n(MANY), np.abs(n(MANY)), n(MANY), 0.9, 0.999, 1e-3, 2.0, 1e-8)),
}


# ---- drawn, large, and run ----------------------------------------------------------------------

each_kernel = pytest.mark.parametrize("name", ROWS)


@st.composite
def arguments(draw, name, dtype, whole):
    """Drawn arguments in any regime of shapes; a third of the arrays not contiguous."""
    d = Draw(draw, draw(st.sampled_from(REGIMES)))

    def numbers(shape):
        if d.pick("contiguous", "contiguous", "not") == "not" and shape:
            shape = (*shape[:-1], 2 * shape[-1])
            return make(shape)[..., ::2]
        return make(shape)

    def make(shape):
        a = d.rng.integers(-8, 9, shape) if whole else d.rng.standard_normal(shape)
        return np.array(a, dtype)
    return ROWS[name][0](d, numbers)


def large(name, dtype=np.float32):
    rng = np.random.default_rng(0)
    return ROWS[name][1](lambda shape: rng.standard_normal(shape).astype(dtype))


def run(name, args, kernels) -> tuple:
    """The results of one call: one array, or several; of a kernel that writes into its arguments, copies of those."""
    one = Kernel.registry[name]
    args = [a.copy() if i < one.writes else a for i, a in enumerate(args)]
    with sn.use_kernels(kernels):
        results = one(*args)
    return tuple(args[:one.writes]) or (results if isinstance(results, tuple) else (results,))
