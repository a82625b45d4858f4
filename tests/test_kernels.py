"""Every kernel's fast version against its NumPy reference; a kernel that has no row here fails.

Sums and products of small whole numbers are exact in any order: on those, the two must agree to the
last bit, and no tolerance can hide a mistake (K1).  On other numbers they differ by rounding (K2).
"""
from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import kernel as kernel_module
from scratchnet.kernel import Kernel, jit
from scratchnet.models.kmeans_loops import Rows
from tests.conftest import for_all, size
from tests.op_cases import REGIMES, Draw, pair
from tests.op_cases_images import geometry, out_length, windows

pytest.importorskip("numba")
ROOT = Path(__file__).parent.parent


# ---- how to draw arguments: `numbers(shape)` gives an array of the kind under test ---------------

def pairs(settings: dict) -> tuple:
    return tuple(pair(settings[k]) for k in ("stride", "padding", "dilation"))


def some_geometry(d):
    """As for the ops; or larger, so that there are several blocks of images, of rows, of filter entries."""
    if d.pick("small", "small", "large") == "small":
        return geometry(d)
    N, C, F, K, L = d.pick(1, 16, 17, 33), d.pick(1, 3, 24), d.int(1, 9), d.int(1, 4), d.int(1, 4)
    H, W = d.int(8, 14), d.int(8, 14)
    s, p, q = d.both(1, 3), d.both(0, (K - 1, L - 1)), d.both(1, 2)
    IJ = tuple(out_length(*each) for each in zip((H, W), (K, L), pair(s), pair(p), pair(q)))
    return N, C, F, (K, L), (H, W), IJ, {"stride": s, "padding": p, "dilation": q}


def conv_y(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    b = numbers((F,)) if d.pick(True, False) else None
    return numbers((N, C, *HW)), numbers((F, C, *KL)), b, *pairs(settings), d.pick(False, True)


def conv_dx(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    b = numbers((C,)) if d.pick(True, False) else None
    return numbers((N, F, *IJ)), numbers((F, C, *KL)), b, HW, *pairs(settings), d.pick(False, True), where(d, numbers, (N, F, *IJ))


def conv_dw(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    return numbers((N, C, *HW)), numbers((N, F, *IJ)), KL, *pairs(settings)


def conv_dw_db(d, numbers):
    x, g, *rest = conv_dw(d, numbers)
    return x, g, *rest, where(d, numbers, g.shape)


def conv_y_dw_db(d, numbers):
    N, C, F, KL, HW, IJ, settings = some_geometry(d)
    return (numbers((N, C, *HW)), numbers((F, C, *KL)), numbers((N, F, *IJ)), *pairs(settings), where(d, numbers, (N, C, *HW)))


def where(d, numbers, shape):
    """A ReLU's output, or None."""
    return np.maximum(numbers(shape), 0) if d.pick(True, False) else None


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


def nearest_sketched(d, numbers):
    """With a sketch of a few columns, of none, or of all."""
    x, c = rows_and_centres(d, numbers)
    return x, c, Rows(x, d.pick(0, 1, 3, 8, 64))


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
    """x (N,D), w (D,M), g (N,M): two of the three; or so large that the products are cut into blocks."""
    def arguments(d, numbers):
        N, D, M = (d.int(1, 9), d.int(1, 9), d.int(1, 9)) if d.pick("small", "small", "large") == "small" else \
            (d.int(120, 140), 16 * d.int(17, 20), 16 * d.int(33, 35))
        return arrange(numbers, (N, D), (D, M), (N, M))
    return arguments


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
WIDE = (3000, 300)                              # several blocks of rows for k-means, several slices of columns
ROWS = {                                        # kernel -> (drawn arguments, arguments large enough for threads)
    "conv_y": (conv_y, lambda n: (n((37, 3, 9, 8)), n((5, 3, 3, 2)), n((5,)), TWO, ONE, ONE)),
    "conv_dx": (conv_dx, lambda n: (n((37, 5, 5, 5)), n((5, 3, 3, 2)), n((3,)), (9, 8), TWO, ONE, ONE)),
    "conv_dw": (conv_dw, lambda n: (n((37, 3, 9, 8)), n((37, 5, 5, 5)), (3, 2), TWO, ONE, ONE)),
    "conv_dw_db": (conv_dw_db, lambda n: (n((37, 3, 9, 8)), n((37, 5, 5, 5)), (3, 2), TWO, ONE, ONE, n((37, 5, 5, 5)))),
    "conv_y_dw_db": (conv_y_dw_db, lambda n: (n((37, 3, 9, 8)), n((5, 3, 3, 2)), n((37, 5, 5, 5)), TWO, ONE, ONE,
                                              n((37, 3, 9, 8)))),
    "channel_sum": (images, lambda n: (n((37, 5, 9, 8)),)),
    "argmax_windows": (argmax_windows, lambda n: (n((17, 3, 9, 8)), (3, 2), TWO, ONE)),
    "take_pixels": (take_pixels, lambda n: (n((17, 3, 4, 4)), np.arange(17 * 12).reshape(17, 3, 2, 2) % 16)),
    "put_pixels": (put_pixels, lambda n: (n((17, 3, 2, 2)), np.arange(17 * 12).reshape(17, 3, 2, 2) % 16, (4, 4))),
    "affine_images": (affine_images, lambda n: (n((37, 2, 9, 8)), n((37, 2, 3)))),
    "squares": (rows_and_centres, lambda n: (n(WIDE), n((7, 300)))),
    "nearest": (rows_and_centres, lambda n: (n((1200, 640)), n((100, 640)))),
    "nearest_sketched": (nearest_sketched, lambda n: (x := n((1200, 640)), n((100, 640)), Rows(x, 40))),
    "own_squares": (own_squares, lambda n: (n(WIDE), n((7, 300)), np.arange(WIDE[0]) % 7)),
    "column_moments": (lambda d, n: rows_and_centres(d, n)[:1], lambda n: (n(WIDE),)),
    "regrouped": (regrouped, lambda n: (n((7200, 300)), n(7200), np.arange(7200) % 7, np.arange(7200) % 5 - 1, 7)),
    "positive_part": (one_array, lambda n: (n(MANY),)),
    "where_positive": (two_arrays, lambda n: (n(MANY), n(MANY))),
    "matmul_y": (matrices(lambda n, x, w, g: (n(x), n(w))), lambda n: (n((80, 272)), n((272, 576)))),
    "matmul_dw": (matrices(lambda n, x, w, g: (n(x), n(g))), lambda n: (n((272, 80)), n((272, 576)))),
    "matmul_dx": (matrices(lambda n, x, w, g: (n(g), n(w))), lambda n: (n((80, 576)), n((272, 576)))),
    "bce_slope": (bce_slope, lambda n: (n(MANY), n(MANY), np.exp(-np.abs(n(MANY))), 0.25)),
    "leaky_part": (slope(one_array), lambda n: (n(MANY), 0.2)),
    "leaky_slope": (slope(two_arrays), lambda n: (n(MANY), n(MANY), 0.2)),
    "channel_dots": (per_channel("images", "images", "c"), lambda n: (n((37, 5, 9, 8)), n((37, 5, 9, 8)), n((5,)))),
    "channel_moments": (per_channel("images"), lambda n: (n((37, 5, 9, 8)),)),
    "channel_scale": (per_channel("images", "c", "c", "c"), lambda n: (n((37, 5, 9, 8)), n((5,)), n((5,)), n((5,)))),
    "adam_step": (adam_step, lambda n: (n(MANY), n(MANY), np.abs(n(MANY)), n(MANY), 0.9, 0.999, 1e-3, 2.0, 1e-8)),
}


DIVIDES = {"channel_moments"}                   # so even with whole numbers they round, in another order


def fast_kernels() -> list[str]:
    return [name for name, k in Kernel.registry.items() if k.fast_version]


def test_every_kernel_has_a_row():
    missing = [name for name in fast_kernels() if name not in ROWS]
    assert not missing, f"no row in test_kernels.py for: {missing}"


def test_a_kernel_without_a_row_is_noticed(monkeypatch):
    monkeypatch.setattr(Kernel, "registry", dict(Kernel.registry))

    @kernel_module.kernel
    def planted(x): return x
    test_every_kernel_has_a_row()               # a reference alone is nothing to compare
    planted.fast(lambda x: x)
    with pytest.raises(AssertionError, match="planted"):
        test_every_kernel_has_a_row()


each_kernel = pytest.mark.parametrize("name", ROWS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


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


def run(name, args, kernels) -> tuple:
    """The results of one call: one array, or several; of a kernel that writes into its arguments, copies of those."""
    one = Kernel.registry[name]
    args = [a.copy() if i < one.writes else a for i, a in enumerate(args)]
    with sn.use_kernels(kernels):
        results = one(*args)
    return tuple(args[:one.writes]) or (results if isinstance(results, tuple) else (results,))


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

    for_all(arguments(name, dtype, whole=True), check, size(50, 500))


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

    for_all(arguments(name, dtype, whole=False), check, size(50, 500))


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

    for_all(arguments(name, np.float64, whole=False), check, size(10, 100))


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


# ---- threads ------------------------------------------------------------------------------------

@pytest.fixture
def threads():
    """Restore the number of threads."""
    before = kernel_module.threads
    yield sn.set_threads
    sn.set_threads(before)


def large(name, dtype=np.float32):
    rng = np.random.default_rng(0)
    return ROWS[name][1](lambda shape: rng.standard_normal(shape).astype(dtype))


@each_kernel
def test_K3_same_bits_for_every_number_of_threads(name, threads):
    """K3."""
    args, results = large(name), set()
    for n in (1, 2, 3, 1):
        threads(n)
        results.add(tuple(a.tobytes() for a in run(name, args, "numba")))
    assert len(results) == 1


@each_kernel
def test_K4_same_bits_in_whatever_order_the_blocks_are_done(name, monkeypatch):
    """K3 again, without waiting for threads to meet: each block alone, first to last and last to first."""
    args, results = large(name), set()
    for order in (1, -1):
        def parallel(work, blocks):
            for block in range(blocks)[::order]:
                work(iter([block]))
        for module in [m for n, m in sys.modules.items() if n.startswith("scratchnet.") and hasattr(m, "parallel")]:
            monkeypatch.setattr(module, "parallel", parallel)
        results.add(tuple(a.tobytes() for a in run(name, args, "numba")))
    assert len(results) == 1


@each_kernel
def test_K4_same_bits_every_time(name, threads):
    """K4: a race would show as another result now and then."""
    threads(3)
    args = large(name)
    results = [run(name, args, "numba") for _ in range(size(5, 300))]
    assert len({tuple(a.tobytes() for a in several) for several in results}) == 1


def test_parallel_hands_out_every_block_once(threads):
    for n in (1, 2, 3, 7):
        for count in (0, 1, 2, 5, 12):
            threads(n)
            seen = []
            kernel_module.parallel(seen.extend, count)
            assert sorted(seen) == list(range(count))


def test_an_error_in_a_thread_is_raised(threads):
    def work(todo):
        if 5 in todo:
            raise KeyError("block 5")
    threads(3)
    for _ in range(10):                         # whichever thread takes that block
        with pytest.raises(KeyError, match="block 5"):
            kernel_module.parallel(work, 6)


def test_K9_kernels_may_be_called_from_several_threads(threads):
    """K9: our threads within the caller's threads."""
    threads(2)
    with sn.use_kernels("numba"):
        args = large("conv_y")
        expected, wrong = Kernel.registry["conv_y"](*args).tobytes(), []

        def work():
            for _ in range(size(10, 300)):
                if Kernel.registry["conv_y"](*args).tobytes() != expected:
                    wrong.append(1)
        several = [threading.Thread(target=work) for _ in range(4)]
        for t in several:
            t.start()
        for t in several:
            t.join()
    assert not wrong


# ---- in a process of their own ------------------------------------------------------------------

def python(code: str, **env) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **env})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_K9_a_forked_child_can_go_on():
    """K9: threads do not survive a fork; the child must not wait for them."""
    assert "child 27.0\nparent 27.0" in python("""
import os, numpy as np, scratchnet as sn
sn.set_threads(2)
x, w = np.ones((4, 3, 5, 5)), np.ones((2, 3, 3, 3))
sn.conv2d(x, w)
if os.fork() == 0:
    print("child", sn.conv2d(x, w).max(), flush=True)
    os._exit(0)
assert os.wait()[1] == 0
print("parent", sn.conv2d(x, w).max())
""")


def test_K10_without_numba_the_references_run_and_say_so_once():
    """K10."""
    assert python("""
import sys, warnings
sys.modules["numba"] = None                     # import numba now raises ImportError
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import scratchnet as sn
    x = sn.Tensor(np.ones((2, 1, 4, 4)), requires_grad=True)
    assert not caught                           # importing alone is silent
    for _ in range(3):
        y = sn.max_pool2d(sn.relu(sn.conv2d(x, np.ones((1, 1, 3, 3)))), 2).sum()
        y.backward()
print(y.item(), x.grad.max(), len(caught), "Numba is not available" in str(caught[0].message))
""", SCRATCHNET_KERNELS="numba") == "18.0 3.0 1 True\n"


def test_numpy_kernels_never_import_numba():
    assert python("""
import sys, numpy as np, scratchnet as sn
sn.max_pool2d(sn.relu(sn.conv2d(np.ones((2, 1, 4, 4)), np.ones((1, 1, 3, 3)))), 2)
print("numba" in sys.modules, sn.kernel.mode)
""", SCRATCHNET_KERNELS="numpy") == "False numpy\n"


@pytest.mark.full
@pytest.mark.parametrize("setting", ["NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT"])
def test_K5_kernels_with_bounds_checked_and_without_compiling(setting, tmp_path):
    """K5: no index outside an array; and the loops are plain Python that a learner can step through."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "whole_numbers", "tests/test_kernels.py"], cwd=ROOT,
                          env={**os.environ, setting: "1", "NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


# ---- rules for the source -----------------------------------------------------------------------

def test_a_compiled_loop_calls_helpers_of_its_own_file_only():
    """K6: Numba notices an edit of the file a loop is in, not of another file that it calls into."""
    for name, module in list(sys.modules.items()):
        if name.startswith("scratchnet."):
            for thing in vars(module).values():
                function = thing.function if isinstance(thing, jit) else getattr(thing, "py_func", None)
                assert function is None or function.__module__ == name, f"{name} uses {function} of another file"


@pytest.mark.parametrize("word", ["prange", "fastmath=True", "guvectorize", "parallel=True"])
def test_words_that_kernels_do_without(word):
    for path in (ROOT / "scratchnet").rglob("*.py"):
        assert word not in path.read_text(), path
