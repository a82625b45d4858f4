"""Random affine maps of images: the geometry, the interpolation, the ranges.  (Kernel pairs: test_kernels.py.)"""
import re

import numpy as np
import pytest

from scratchnet.data import draw_digits, random_affine
from scratchnet.data.augment import affine_images, affine_maps

SIZE = np.array([28, 28])


def moved(x, angle=0.0, zoom=1.0, t=(0, 0)):
    size = np.array(x.shape[2:])
    return affine_images(x, affine_maps(np.full(len(x), angle), np.full(len(x), zoom), np.tile(np.array(t, float), (len(x), 1)), size))


@pytest.fixture(scope="module")
def digits():
    return draw_digits(20, 0)[0]


def test_G10_the_identity_changes_nothing(digits, kernels):
    np.testing.assert_array_equal(moved(digits), digits)


def test_G10_a_shift_by_whole_pixels_is_a_roll(digits, kernels):
    y = moved(digits, t=(2, -3))
    np.testing.assert_array_equal(y[:, :, 2:, :-3], digits[:, :, :-2, 3:])
    assert not y[:, :, :2].any() and not y[:, :, :, -3:].any()


def test_G10_half_a_pixel_is_the_mean_of_two(digits, kernels):
    y = moved(digits, t=(0, 0.5))
    np.testing.assert_allclose(y[..., 1:], (digits[..., 1:] + digits[..., :-1]) / 2, atol=1e-6)


def test_G10_a_quarter_turn_and_its_direction(digits, kernels):
    """A positive angle turns from down (i) to the right (j), as np.rot90 does."""
    x = digits.astype(np.float64)
    np.testing.assert_allclose(moved(x, angle=np.pi / 2), np.rot90(x, 1, axes=(2, 3)), atol=1e-12)
    rectangle = np.random.default_rng(0).random((1, 2, 9, 9))
    np.testing.assert_allclose(moved(rectangle, angle=-np.pi / 2), np.rot90(rectangle, -1, axes=(2, 3)), atol=1e-12)


def test_G10_zoom_doubles_distances_from_the_centre(kernels):
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 4, 6] = 1.0                                        # two to the right of the centre
    y = moved(x, zoom=2.0)
    assert y[0, 0, 4, 8] == 1.0 and y[0, 0, 4, 7] == 0.5 and y[0, 0, 4, 6] == 0.0
    assert moved(x, zoom=0.5)[0, 0, 4, 5] == 1.0


def test_G10_a_place_in_an_image_of_two_channels_and_unequal_sides(kernels):
    """Against the formula, place by place."""
    rng = np.random.default_rng(1)
    x, angle, zoom, t = rng.random((3, 2, 5, 8)), rng.uniform(-1, 1, 3), rng.uniform(0.7, 1.4, 3), rng.uniform(-2, 2, (3, 2))
    y, c = affine_images(x, affine_maps(angle, zoom, t, np.array([5, 8]))), np.array([2, 3.5])
    for n, i, j in np.ndindex(3, 5, 8):
        turn = np.array([[np.cos(angle[n]), np.sin(angle[n])], [-np.sin(angle[n]), np.cos(angle[n])]]) / zoom[n]
        h, w = turn @ (np.array([i, j]) - c - t[n]) + c
        expected = sum(x[n, :, k, l] * max(0, 1 - abs(h - k)) * max(0, 1 - abs(w - l)) for k in range(5) for l in range(8))
        np.testing.assert_allclose(y[n, :, i, j], expected, atol=1e-12)


def test_random_affine_stays_in_its_ranges_and_repeats(digits):
    x = np.repeat(digits[:1], 400, axis=0)
    y = random_affine(x, rng=3)
    np.testing.assert_array_equal(y, random_affine(x, rng=3))
    assert y.dtype == np.float32 and y.shape == x.shape and 0 <= y.min() and y.max() <= x.max() and (y != x).any()

    def centre(a):
        i = np.arange(28) - 13.5
        total = a.sum(axis=(1, 2, 3))
        return np.stack([(a.sum(axis=(1, 3)) * i).sum(1), (a.sum(axis=(1, 2)) * i).sum(1)], 1) / total[:, None]
    only_shift = centre(random_affine(x, degrees=0, scale=0, shift=0.05, rng=0)) - centre(x)
    assert np.abs(only_shift).max() <= 1.4 + 0.05 and np.abs(only_shift).max() > 1.2            # 5 % of 28 pixels
    ink = random_affine(x, degrees=0, shift=0, rng=0).sum(axis=(1, 2, 3)) / x.sum(axis=(1, 2, 3))
    assert 0.75 < ink.min() < 0.9 and 1.1 < ink.max() < 1.27                                    # areas: 0.9² to 1.1²
    np.testing.assert_array_equal(random_affine(x, degrees=0, shift=0, scale=0, rng=0), x)


@pytest.mark.parametrize("call, message", [
    (lambda: random_affine(np.zeros((2, 28, 28), np.float32)), "got float32 (2, 28, 28), expected a float array of images (N, C, H, W)"),
    (lambda: random_affine(np.zeros((1, 1, 2, 2), np.uint8)), "got uint8"),
    (lambda: random_affine([[0]]), "got a list"),
    (lambda: random_affine(np.zeros((1, 1, 2, 2)), degrees=-1), "expected degrees ≥ 0"),
    (lambda: random_affine(np.zeros((1, 1, 2, 2)), scale=1.0), "0 ≤ scale < 1"),
])
def test_wrong_calls_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
