"""Nearest neighbours against plain loops, at ties and far from 0; gaps are where no codes are."""
import re

import numpy as np
import pytest

from scratchnet.metrics import gaps, nearest, neighbour_accuracy


def by_hand(queries, rows, k):
    which = [sorted(range(len(rows)), key=lambda n: (np.sum((rows[n] - q) ** 2), n))[:k] for q in queries]
    return np.array(which), np.array([[np.linalg.norm(rows[n] - q) for n in ns] for q, ns in zip(queries, which)])


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("D, k, block", [(1, 1, 3), (2, 5, 200), (7, 30, 4)])
def test_G10_nearest_equals_a_plain_loop(D, k, block, offset):
    """Also far from 0, where |a|² − 2⟨a,b⟩ + |b|² of the raw rows would have lost every digit of the distance."""
    rng = np.random.default_rng(0)
    rows, queries = rng.standard_normal((30, D)) + offset, rng.standard_normal((11, D)) + offset
    which, far = nearest(queries, rows, k, block)
    expected, distance = by_hand(queries, rows, k)
    np.testing.assert_array_equal(which, expected)
    np.testing.assert_allclose(far, distance, rtol=1e-12)


def test_G6_equally_near_rows_come_by_their_number():
    rows = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    which, far = nearest(np.zeros((1, 2)), rows, 4)
    assert which.tolist() == [[0, 1, 2, 3]] and (far == 1).all()


def test_M_the_vote_of_the_neighbours():
    codes = np.array([[0.0], [1], [2], [10], [11], [12]])
    labels = np.array([0, 0, 1, 2, 1, 1])
    assert neighbour_accuracy(codes, labels, np.array([[0.9], [11.5]]), np.array([0, 1]), k=3) == 1.0
    assert neighbour_accuracy(codes, labels, np.array([[0.9], [11.5]]), np.array([1, 1]), k=3) == 0.5
    assert neighbour_accuracy(codes, labels, np.array([[10.4]]), np.array([1]), k=2) == 1.0   # 2 against 1: the smaller


def test_M_codes_that_are_all_the_same_give_chance():
    rng = np.random.default_rng(0)
    labels, test = rng.integers(0, 10, 500), rng.integers(0, 10, 2000)
    assert neighbour_accuracy(np.zeros((500, 2), np.float32), labels, np.zeros((2000, 2), np.float32), test) < 0.15


def test_M_gaps_are_amid_the_codes_and_far_from_them():
    """Two rows of codes: the gap is the strip between them, never outside."""
    rng = np.random.default_rng(0)
    codes = np.stack([rng.uniform(0, 10, 2000), np.repeat([0.0, 6.0], 1000) + 0.1 * rng.standard_normal(2000)], axis=1)
    places = gaps(codes, 6, rng)
    assert places.shape == (6, 2)
    assert (np.abs(places[:, 1] - 3) < 1.5).all() and (places[:, 0] > 0).all() and (places[:, 0] < 10).all()
    between = np.linalg.norm(places[:, None] - places, axis=2) + 99 * np.eye(6)
    assert between.min() > 0.8                                 # spread out, too


@pytest.mark.parametrize("call, message", [
    (lambda: nearest(np.zeros((2, 3)), np.zeros((4, 2)), 1), "queries (2, 3) and rows (4, 2), expected (M, D) and (N, D)"),
    (lambda: nearest(np.zeros((2, 2)), np.zeros((4, 2)), 5), "k is 5, expected 1 to 4"),
    (lambda: nearest(np.zeros((2, 2)), np.zeros((4, 2)), 0), "k is 0"),
])
def test_wrong_calls_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
