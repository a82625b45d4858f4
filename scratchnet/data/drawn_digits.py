"""Digits drawn on the spot: the size, look and centring of MNIST, and no file to fetch.

A hand picks one of the skeletons of strokes.py, misplaces its joints, bends, slants and turns
them, fits the result into a box of 20 x 20 pixels and goes along it with a soft round pen.  Then
the image is moved until its centre of mass is in the middle, as MNIST does.

Images are drawn in blocks of 1000, each from a generator of its own, (seed, block number), and
always whole.  So image i is the same image however many are asked for.
"""
from __future__ import annotations

import numpy as np
from tqdm import tqdm

from .skeletons import POINTS, skeletons
from .strokes import HANDS, JITTER

SIZE = 28            # image height and width, pixels
BOX = 20             # the digit's own box inside it
BLOCK = 1000         # images per generator; another number draws other images


def draw_digits(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw n labelled digits; the same seed draws the same ones, and image i does not depend on n.

    load("digits") draws its training images from seed 0 and its test images from seed 1.

    Shapes: images (n, 1, 28, 28) float32; labels (n,) int64.
    Units: 0 is paper, 1 is ink, in steps of 1/255.
    Errors: ValueError for n < 1 or a negative seed.
    Source: the centring follows LeCun, Cortes and Burges, "The MNIST database", section
    "file formats"; the strokes and spreads are this project's own.
    """
    if n < 1 or seed < 0:
        raise ValueError(f"draw_digits: expected n >= 1 and seed >= 0, got n={n}, seed={seed}")
    images = np.empty((n, 1, SIZE, SIZE), np.float32)
    labels = np.empty(n, np.int64)
    starts = range(0, n, BLOCK)
    for start in tqdm(starts, "drawing digits", unit_scale=BLOCK, unit=" images", delay=2, leave=False):
        pixels, digits = _block(np.random.default_rng((seed, start // BLOCK)))
        images[start:start + BLOCK, 0] = pixels[:n - start]
        labels[start:start + BLOCK] = digits[:n - start]
    return images, labels


def _block(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One whole block: images (BLOCK, 28, 28) and labels (BLOCK,)."""
    labels = rng.integers(0, 10, BLOCK)
    path = np.empty((BLOCK, POINTS, 2), np.float32)
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        path[rows] = _write(digit, len(rows), rng)
    path = _slant_and_turn(_warp(path, rng), labels, rng)
    path, pen = _fit(path, _pen(labels, rng), loops=labels != 1)
    softness = np.clip(rng.normal(.95, .15, (BLOCK, 1)), .6, 1.6).astype(np.float32)
    image = _centre(_ink(path, pen * _pressure(rng), softness))
    return np.rint(image * 255) / 255, labels


def _write(digit: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n paths of one digit, each joint a little off: (n, POINTS, 2)."""
    weight = np.array([skeleton.weight for skeleton in skeletons(digit)])
    choice = rng.choice(len(weight), n, p=weight / weight.sum())
    path = np.empty((n, POINTS, 2), np.float32)
    for number, skeleton in enumerate(skeletons(digit)):
        rows = np.flatnonzero(choice == number)
        m, k = len(rows), len(skeleton.joints)
        care = rng.uniform(.4, 1.6, (m, 1, 1))                       # a steady or a hasty hand
        stray = JITTER[digit] * care * rng.normal(size=(m, k, 2))    # (m, K, 2)
        joint = skeleton.joints + skeleton.together @ stray
        for end, inner in skeleton.ends:                             # longer, shorter, bent
            joint[:, end] += rng.normal(0, .135, (m, 1)) * (joint[:, end] - joint[:, inner])
            joint[:, end] += rng.normal(0, .032, (m, 2))
        share = np.exp(rng.normal(0, .13, (m, 1)))                   # of the top in the height
        joint[:, :, 1] = np.maximum((joint[:, :, 1] + .2) / 1.4, .01) ** share
        path[rows] = skeleton.basis @ joint.astype(np.float32)
    return path


def _warp(path: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend the paper: p + Σ₂ amplitude · sin(2π ⟨frequency, p⟩ + phase), two waves for x and two for y."""
    for _ in range(2):
        frequency = rng.normal(0, .8, (BLOCK, 2, 2))                 # (BLOCK, axis of p, x or y)
        phase = rng.uniform(0, 2 * np.pi, (BLOCK, 1, 2))
        amplitude = rng.normal(0, .032, (BLOCK, 1, 2))
        path = path + amplitude * np.sin(2 * np.pi * path @ frequency + phase)
    return path


def _slant_and_turn(path: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretch x, push the top to the right, rotate by a few degrees."""
    width, width_spread, slant, slant_spread = HANDS[labels, :4].T   # (BLOCK,) each
    width = width * np.exp(width_spread * np.clip(rng.normal(size=BLOCK), -2.2, 2.2))
    slant = slant + slant_spread * np.clip(rng.normal(size=BLOCK), -2.5, 2.5)
    angle = np.radians(rng.normal(0, 4, BLOCK))
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros(BLOCK), np.ones(BLOCK)
    shear = np.array([[width, -slant], [zero, one]]).transpose(2, 0, 1)      # (BLOCK, 2, 2)
    turn = np.array([[c, -s], [s, c]]).transpose(2, 0, 1)
    return path @ (turn @ shear).transpose(0, 2, 1)


def _pen(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pen radius of each image, pixels: (BLOCK,)."""
    radius, spread = HANDS[labels, 4:].T
    return np.clip(radius * np.exp(spread * rng.normal(size=BLOCK)), .5, 2.6)


def _pressure(rng: np.random.Generator) -> np.ndarray:
    """The factor by which the pen swells and thins along the way: (BLOCK, POINTS)."""
    waves, phase = rng.uniform(.3, 1.5, (BLOCK, 1)), rng.uniform(0, 1, (BLOCK, 1))
    return 1 + .12 * np.sin(2 * np.pi * (waves * np.linspace(0, 1, POINTS) + phase))


def _fit(path: np.ndarray, pen: np.ndarray, loops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The path in pixels, its longer side 20 with the ink; and the pen, thinner where loops would fill."""
    low = path.min(1)                                                # (BLOCK, 2)
    wide, tall = np.ptp(path, axis=1).T                              # (BLOCK,) each
    pen = np.where(loops, np.minimum(pen, .55 + 2 * np.minimum(wide / tall, .75)), pen)
    scale = (BOX - 2 * pen) / np.maximum(wide, tall)
    corner = (SIZE - BOX) / 2 + pen - .5                             # pixel i reaches from i - ½ to i + ½
    path = (path - low[:, None]) * scale[:, None, None] + corner[:, None, None]
    return path, pen[:, None]


def _ink(path: np.ndarray, pen: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """Go along each path with a round pen: a pixel at distance d gets (pen - d) / softness + ½, in [0, 1].

    Shapes: path (n, POINTS, 2) as (x, y) in pixels, pen (n, POINTS), softness (n, 1) -> (n, 28, 28).
    """
    image = np.zeros((len(path), SIZE, SIZE), np.float32)
    thick = (pen.max(1) + softness[:, 0] / 2).astype(np.float32)     # how far ink can reach, pixels
    by_pen = np.argsort(thick)                                       # so that thin pens need not
    for rows in np.array_split(by_pen, 5):                           # look as far as thick ones
        image[rows] = _ink_alike(path[rows], pen[rows], softness[rows], thick[rows].max())
    return image


def _ink_alike(path: np.ndarray, pen: np.ndarray, softness: np.ndarray, reach: float) -> np.ndarray:
    """_ink for pens of about one size: only pixels within `reach` of the pen are looked at."""
    n = len(path)
    image = np.zeros(n * SIZE * SIZE, np.float32)
    side = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    dx, dy = (d.ravel() for d in np.meshgrid(side, side))
    nearest = np.hypot(np.maximum(np.abs(dx) - .5, 0), np.maximum(np.abs(dy) - .5, 0))
    dx, dy = (d[nearest < reach].astype(np.float32) for d in (dx, dy))       # a disc, no square
    cell = (dy * SIZE + dx).astype(int)                              # the same, as steps in `image`
    xs, ys = path.transpose(2, 1, 0).astype(np.float32)[..., None]   # (POINTS, n, 1) each
    radii = pen.T.astype(np.float32)[..., None]
    start = np.arange(n)[:, None] * SIZE * SIZE
    for x, y, r in zip(xs, ys, radii):               # one pen position of every image at a time,
        column, row = np.rint(x), np.rint(y)         # so that no pixel is hit twice in one step
        d = np.sqrt((column - x + dx) ** 2 + (row - y + dy) ** 2)    # (n, cells)
        at = start + (row * SIZE + column).astype(int) + cell
        image[at] = np.maximum(image[at], (r - d) / softness + .5)
    return np.minimum(image, 1).reshape(n, SIZE, SIZE)


def _centre(image: np.ndarray) -> np.ndarray:
    """Move each image by whole pixels, so that its centre of mass comes nearest to (14, 14), as in MNIST."""
    n = len(image)
    place = np.arange(SIZE, dtype=np.float32)
    mass = image.sum((1, 2))
    right = np.rint(SIZE / 2 - image.sum(1) @ place / mass).astype(int)      # (n,)
    down = np.rint(SIZE / 2 - image.sum(2) @ place / mass).astype(int)
    margin = SIZE // 2
    padded = np.pad(image, ((0, 0), (margin, margin), (margin, margin)))
    rows = margin - down[:, None] + np.arange(SIZE)                          # (n, 28)
    columns = margin - right[:, None] + np.arange(SIZE)
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
