"""The drawn digits: the same for the same seed, made like MNIST, and readable."""
from __future__ import annotations

import os
import time

import numpy as np
import pytest
from tqdm import tqdm

from scratchnet.data import draw_digits, load
from scratchnet.data import drawn_digits as module
from scratchnet.data.datasets import DRAWN
from scratchnet.data.skeletons import POINTS, _curve, skeletons
from scratchnet.data.strokes import SKELETONS


@pytest.fixture(scope="module")
def drawn():
    return draw_digits(3000, seed=7)


def test_shapes_types_and_range(drawn):
    images, labels = drawn
    assert images.shape == (3000, 1, 28, 28) and images.dtype == np.float32
    assert labels.shape == (3000,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    levels = images * 255
    assert np.abs(levels - np.rint(levels)).max() < 1e-4
    assert np.bincount(labels, minlength=10).min() > 200 and labels.max() == 9


def test_same_seed_same_images_and_image_i_whatever_n(drawn):
    images, labels = drawn
    for n in (1, 7, 1000, 1001):
        again, marks = draw_digits(n, seed=7)
        np.testing.assert_array_equal(again, images[:n])
        np.testing.assert_array_equal(marks, labels[:n])


def test_seeds_and_blocks_differ(drawn):
    images, _ = drawn
    other, _ = draw_digits(1000, seed=8)
    assert (other != images[:1000]).any((1, 2, 3)).all()
    assert (images[:1000] != images[1000:2000]).any((1, 2, 3)).all()
    assert len({image.tobytes() for image in images}) == len(images)


def test_global_random_state_untouched():
    before = np.random.get_state()[1].copy()
    draw_digits(1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("digit", range(10))
def test_look_of_each_digit(drawn, digit):
    images, labels = drawn
    image = images[labels == digit, 0]
    mass = image.sum((1, 2))
    for axis in (1, 2):                      # moved by whole pixels: never further off than half of one
        centre = image.sum(axis) @ np.arange(28) / mass
        assert np.abs(centre - 14).max() < .51
    assert .02 < image.mean((1, 2)).min() and image.mean((1, 2)).max() < .42
    assert (.05 if digit == 1 else .09) < image.mean() < .22
    inked = image > 0
    height = inked.any(2).sum(1)
    width = inked.any(1).sum(1)
    assert np.maximum(height, width).min() >= 18 and np.maximum(height, width).max() <= 24
    assert np.median(image.max((1, 2))) == 1


def nearest_three(images: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The 3-nearest-neighbour classifier: two of three, or the nearest when all differ."""
    images, test = images.reshape(len(images), -1), test.reshape(len(test), -1)
    square = (images ** 2).sum(1)
    said = []
    for part in np.array_split(test, max(1, len(test) // 500)):
        distance = square - 2 * part @ images.T
        near = np.argpartition(distance, 3, axis=1)[:, :3]
        near = np.take_along_axis(near, np.take_along_axis(distance, near, 1).argsort(1), 1)
        vote = labels[near]
        said.append(np.where(vote[:, 1] == vote[:, 2], vote[:, 1], vote[:, 0]))
    return np.concatenate(said)


def test_labels_tell_what_was_drawn(drawn):
    test, truth = draw_digits(500, seed=70)
    assert (nearest_three(*drawn, test) == truth).mean() > .9        # measured: .95


@pytest.mark.full
def test_three_neighbours_trained_on_drawn_digits_read_real_ones():
    if not os.environ.get("SCRATCHNET_DATA"):
        pytest.skip("SCRATCHNET_DATA is not set")
    test, truth = load("mnist", "test")
    assert (nearest_three(*load("digits"), test) == truth).mean() > .93      # measured: .943


def test_splits_are_drawn_from_different_seeds(monkeypatch):
    assert [n for n, _ in DRAWN.values()] == [60_000, 10_000]
    few = {split: (5, seed) for split, (_, seed) in DRAWN.items()}
    monkeypatch.setattr("scratchnet.data.datasets.DRAWN", few)
    assert (load("digits")[0] != load("digits", "test")[0]).any((1, 2, 3)).all()


@pytest.mark.full
def test_sizes_and_speed_of_the_whole_set():
    start = time.perf_counter()
    images, labels = load("digits", "train")
    assert time.perf_counter() - start < 30                      # measured: 3.5 s
    assert images.shape == (60_000, 1, 28, 28) and labels.shape == (60_000,)
    assert load("digits", "test")[0].shape == (10_000, 1, 28, 28)


@pytest.mark.parametrize("n, seed", [(0, 0), (-1, 0), (5, -1)])
def test_bad_numbers_are_refused(n, seed):
    with pytest.raises(ValueError, match=f"expected n >= 1 and seed >= 0, got n={n}, seed={seed}"):
        draw_digits(n, seed)


def test_long_drawing_shows_progress_and_short_drawing_does_not(capfd, monkeypatch):
    draw_digits(1000)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(module, "tqdm", lambda *a, **k: tqdm(*a, **{**k, "delay": 1e-6, "mininterval": 0}))
    draw_digits(2000)
    out, err = capfd.readouterr()
    assert out == "" and "drawing digits" in err and "2000/2000" in err


def test_curve_goes_through_its_points_and_keeps_lines_straight():
    stroke = [(0., 0.), (1., 0.), (1., 1.), (0., 1.)]
    basis = _curve(stroke, 31)                                   # equal steps: every tenth is a point
    np.testing.assert_allclose((basis @ stroke)[::10], stroke, atol=1e-12)
    np.testing.assert_allclose(basis.sum(1), 1)                  # moves with the paper
    line = _curve([(0., 0.), (.5, 1.)], 5) @ np.array([(0., 0.), (.5, 1.)])
    np.testing.assert_allclose(line, np.linspace((0, 0), (.5, 1), 5), atol=1e-12)


@pytest.mark.parametrize("digit", range(10))
def test_skeletons_are_complete(digit):
    assert len(skeletons(digit)) == len(SKELETONS[digit])
    for skeleton, (_, strokes) in zip(skeletons(digit), SKELETONS[digit]):
        assert skeleton.basis.shape == (POINTS, len(skeleton.joints))
        np.testing.assert_allclose(skeleton.basis.sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(skeleton.together, axis=1), 1, atol=1e-5)
        path = skeleton.basis @ skeleton.joints
        for x, y in (point for stroke in strokes for point in stroke):       # drawn all the way
            assert np.hypot(*(path - (x, y)).T).min() < .03


def test_a_pen_dot_has_the_promised_profile():
    path = np.full((1, POINTS, 2), (14, 14.5), np.float32)
    for radius in (.5, 1., 1.15, 2., 2.6):     # at 1.15 the ink just reaches one pixel more
        images = module._ink(np.repeat(path, 5, 0), np.full((5, POINTS), radius), np.full((5, 1), .8))
        row, column = np.mgrid[:28, :28]
        expected = np.clip((radius - np.hypot(row - 14.5, column - 14)) / .8 + .5, 0, 1)
        np.testing.assert_allclose(images, 5 * [expected], atol=1e-6)


def test_first_draws_only_so_many_and_the_same_ones():
    images, labels = load("digits", "test", first=7)
    whole, truth = draw_digits(1000, 1)
    assert images.shape == (7, 1, 28, 28) and (images == whole[:7]).all() and (labels == truth[:7]).all()
    with pytest.raises(ValueError, match="first: expected 1 or more images, got 0"):
        load("digits", first=0)
