"""Every kernel's fast version against its NumPy reference; a kernel without a row in kernel_rows.py fails.

Sums and products of small whole numbers are exact in any order: on those, the two must agree to the
last bit, and no tolerance can hide a mistake (K1).  On other numbers they differ by rounding (K2).
"""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from scratchnet import kernel as kernel_module
from scratchnet.kernel import Kernel
from scratchnet.ops.conv_plan import Plan
from tests.conftest import for_all, size
from tests.kernel_rows import ONE, ROWS, TWO, arguments, each_kernel, run

DIVIDES = {"channel_moments"}                   # so even with whole numbers they round, in another order
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def fast_kernels() -> list[str]:
    return [name for name, k in Kernel.registry.items() if k.fast_version]


def test_every_kernel_has_a_row():
    missing = [name for name in fast_kernels() if name not in ROWS]
    assert not missing, f"no row in kernel_rows.py for: {missing}"


def test_a_kernel_without_a_row_is_noticed(monkeypatch):
    monkeypatch.setattr(Kernel, "registry", dict(Kernel.registry))

    @kernel_module.kernel
    def planted(x): return x
    test_every_kernel_has_a_row()               # a reference alone is nothing to compare
    planted.fast(lambda x: x)
    with pytest.raises(AssertionError, match="planted"):
        test_every_kernel_has_a_row()


def both(name, args):
    """(reference, fast) for every result."""
    return list(zip(run(name, args, "numpy"), run(name, args, "numba"), strict=True))


@each_dtype
@each_kernel
def test_K1_same_bits_on_whole_numbers(name, dtype):
    """K1; what may differ is the sign of a zero, and the last bit where the kernel divides."""
    def check(args):
        for reference, fast in both(name, args):
            assert (fast.shape, fast.dtype) == (reference.shape, reference.dtype)
            if name in DIVIDES:
                np.testing.assert_allclose(fast, reference, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
            else:
                assert np.array_equal(fast, reference)

    for_all(arguments(name, dtype, whole=True), check, size(25, 500))


@each_dtype
@pytest.mark.parametrize("shape", [(9, 5, 3), (130, 272, 528), (272, 80, 528), (300, 300, 1), (0, 4, 3)])       # by BLAS, by ours, …
def test_K1_a_product_with_its_bias_and_its_relu_or_without(shape, dtype):
    """Every way through matmul_y, which few drawn cases take."""
    rng, (N, D, M) = np.random.default_rng(0), shape
    x, w, b = (rng.integers(-8, 9, s).astype(dtype) for s in ((N, D), (D, M), M))
    for bias in (None, b):
        for slope in (None, 0.0, 0.25, 1.0):
            [(reference, fast)] = both("matmul_y", (x, w, bias, slope))
            np.testing.assert_array_equal(fast, reference, err_msg=f"slope {slope}, {'no ' * (bias is None)}bias")


@each_dtype
@each_kernel
def test_K2_same_up_to_rounding_on_random_numbers(name, dtype):
    """K2: relative to what the sums come to when no term cancels another, for that is what gets rounded."""
    rtol = 1e-12 if dtype == np.float64 else 1e-5

    def check(args):
        uncancelled = run(name, [np.abs(a) if isinstance(a, np.ndarray) else a for a in args], "numpy")
        for (reference, fast), scale in zip(both(name, args), uncancelled):
            assert (fast.shape, fast.dtype) == (reference.shape, reference.dtype)
            np.testing.assert_allclose(fast, reference, rtol=0, atol=rtol * max(1, scale.max(initial=0)))

    for_all(arguments(name, dtype, whole=False), check, size(25, 500))


@each_dtype
@pytest.mark.parametrize("C, K, L", [(22, 3, 3), (23, 5, 3), (200, 1, 1), (47, 2, 2), (3, 13, 13)])
def test_K1_convolutions_whose_channels_come_in_pieces(C, K, L, dtype):
    """More rows (c,k,l) than are laid out at a time: pieces of whole channels, the last one shorter, or one longer than that."""
    rng, HW, IJ = np.random.default_rng(0), (14, 13), ((16 - K) // 2 + 1, (15 - L) // 2 + 1)
    x, w, g = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((18, C, *HW), (7, C, K, L), (18, 7, *IJ)))
    settings = (2, 2), (1, 1), (1, 1)
    for name, args in {"conv_y": (x, w, None, *settings), "conv_dx": (g, w, None, HW, *settings),
                       "conv_dw_db": (x, g, (K, L), *settings), "conv_y_dw_db": (x, w, g, *settings),
                       "conv_dx_dw_db": (x, w, g, *settings)}.items():
        for reference, fast in both(name, args):
            np.testing.assert_array_equal(fast, reference)


@each_dtype
@pytest.mark.parametrize("C", [24, 90])         # one piece, several
@pytest.mark.parametrize("K, s, p, H", [(4, 2, 1, 14), (4, 2, 1, 12), (4, 2, 0, 16), (4, 2, 3, 13), (4, 3, 1, 21), (6, 2, 2, 15),
                                        (3, 1, 1, 7), (3, 1, 0, 8), (3, 2, 1, 14), (3, 2, 1, 13), (2, 1, 1, 6), (5, 1, 2, 9),
                                        (3, 2, 0, 14), (7, 2, 6, 8)])
def test_K1_convolutions_whose_rows_and_taps_go_in_pairs(K, s, p, H, C, dtype):
    """An even number of rows of y and an odd one, whose last row or first has no partner: with and without padding there."""
    rng, I = np.random.default_rng(0), (H + 2 * p - K) // s + 1
    assert Plan((C, H, 5), 17, (K, 3), (s, 1), (p, 1), (1, 1), np.dtype(dtype)).pairs.size
    x, w, g = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((18, C, H, 5), (17, C, K, 3), (18, 17, I, 5)))
    settings = (s, 1), (p, 1), (1, 1)
    for name, args in {"conv_y": (x, w, g[0, :, 0, 0], *settings), "conv_dx": (g, w, x[0, :, 0, 0], (H, 5), *settings),
                       "conv_dw_db": (x, g, (K, 3), *settings), "conv_y_dw_db": (x, w, g, *settings),
                       "conv_dx_dw_db": (x, w, g, *settings)}.items():
        for reference, fast in both(name, args):
            np.testing.assert_array_equal(fast, reference)


@each_kernel
def test_arguments_may_be_read_only_and_stay_as_they_are(name):
    def check(args):
        expected = run(name, args, "numpy")
        before = [a.tobytes() if isinstance(a, np.ndarray) else a for a in args]
        for a in args:
            if isinstance(a, np.ndarray):
                a.flags.writeable = False
        results = [(a, r) for kernels in ("numpy", "numba") for a, r in zip(expected, run(name, args, kernels))]
        for reference, result in results:
            assert result.ndim == 0 or result.flags.writeable       # its own, not a view of a locked argument
            np.testing.assert_allclose(result, reference, rtol=1e-12, atol=1e-12)
            assert not any(np.may_share_memory(result, a) for a in args if isinstance(a, np.ndarray))
        assert [a.tobytes() if isinstance(a, np.ndarray) else a for a in args] == before

    for_all(arguments(name, np.float64, whole=False), check, size(5, 100))


def test_nan_stays_nan_in_both():
    """A NaN must come out, not be compared away, or a broken run looks healthy."""
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 1, 1] = np.nan
    for args in [("positive_part", (x,)), ("where_positive", (x, np.ones_like(x))),
                 ("put_pixels", (x, np.zeros(x.shape, int), (4, 4))), ("take_pixels", (x, np.full(x.shape, 5))),
                 ("conv_y", (x, np.ones((1, 1, 3, 3)), None, ONE, ONE, ONE))]:
        for result in both(*args)[0]:
            assert np.isnan(result).any(), args[0]
    for where in both("argmax_windows", (x, TWO, ONE, (0, 0)))[0]:
        assert where[0, 0, 0, 0] == where[0, 0, 1, 1] == 5      # max of a window with NaN: that NaN
