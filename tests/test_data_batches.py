"""Mini-batches: each row once, the same order for the same seed, and clear words for bad input."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnet.data as data


@settings(max_examples=60)
@given(n=st.integers(1, 60), size=st.integers(1, 70), shuffle=st.booleans(), seed=st.integers(0, 99))
def test_every_row_once_and_rows_stay_together(n, size, shuffle, seed):
    x, y = np.arange(3 * n).reshape(n, 3), np.arange(n)
    seen = list(data.batches((x, y), size, rng=seed, shuffle=shuffle))
    lengths = [len(b) for _, b in seen]
    assert lengths == (n // size) * [size] + (n % size > 0) * [n % size]
    for a, b in seen:
        np.testing.assert_array_equal(a, x[b])
    order = np.concatenate([b for _, b in seen])
    np.testing.assert_array_equal(np.sort(order), y)
    if not shuffle:
        np.testing.assert_array_equal(order, y)


def test_one_array_gives_arrays_and_several_give_tuples():
    x = np.arange(10)
    assert all(isinstance(batch, np.ndarray) for batch in data.batches(x, 4))
    for several in ((x,), [x]):
        assert all(isinstance(batch, tuple) and len(batch) == 1 for batch in data.batches(several, 4))


def order(rng) -> list[int]:
    return np.concatenate(list(data.batches(np.arange(100), 7, rng=rng))).tolist()


def test_same_seed_same_order_and_next_pass_another():
    assert order(3) == order(3) == order(np.random.default_rng(3))
    assert order(3) != order(4)
    assert order(3) != list(range(100))
    rng = np.random.default_rng(3)
    assert order(rng) != order(rng)


def test_default_generator_and_numpys_global_state_untouched():
    from scratchnet import rng
    before = np.random.get_state()[1].copy()
    rng.seed(8)
    first = order(None)
    rng.seed(8)
    assert order(None) == first
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_order_is_drawn_at_the_call():
    rng = np.random.default_rng(0)
    waiting = data.batches(np.arange(50), 50, rng=rng)
    later = rng.integers(1 << 30)
    rng = np.random.default_rng(0)
    expected = rng.permutation(50)
    assert later == rng.integers(1 << 30)
    np.testing.assert_array_equal(next(waiting), expected)


def test_shuffled_batches_are_copies_and_ordered_ones_views():
    x = np.zeros(9)
    next(data.batches(x, 3))[:] = 1
    assert x.sum() == 0
    assert np.shares_memory(next(data.batches(x, 3, shuffle=False)), x)


X = np.zeros((4, 2))


@pytest.mark.parametrize("arrays, size, error, words", [
    ([1, 2, 3], 2, TypeError, "a NumPy array or a tuple of them, got a list with int"),
    ((X, [1, 2, 3, 4]), 2, TypeError, "got a tuple with list"),
    (None, 2, TypeError, "got NoneType"),
    ((), 2, ValueError, "arrays with rows"),
    (np.zeros((0, 3)), 2, ValueError, r"arrays with rows, got shapes \[\(0, 3\)\]"),
    (np.float32(3), 2, TypeError, "got float32"),
    (np.array(3.), 2, ValueError, r"got shapes \[\(\)\]"),
    ((X, X[:3]), 2, ValueError, r"equal length, got lengths \[4, 3\]"),
    (X, 0, ValueError, "size >= 1, got 0"),
    (X, -2, ValueError, "size >= 1, got -2"),
    (X, 2., TypeError, "an integer size, got 2.0"),
    (X, True, TypeError, "an integer size, got True"),
])
def test_bad_input_is_refused_at_the_call(arrays, size, error, words):
    with pytest.raises(error, match=f"batches: .*{words}"):
        data.batches(arrays, size)


def test_numpy_integers_are_sizes_too():
    assert len(list(data.batches(X, np.int64(3)))) == 2
