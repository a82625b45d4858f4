"""Which products the Numba versions of convolution are made of, and where everything stands in their scratch memory.

Three products do the work of four.  Two taps w₀, w₁ of a filter's column, one stride apart, and two neighbouring rows
g₀, g₁ of y meet three rows x₀, x₁, x₂ of the image (for each c, f, l and j):

    S = g₀·(w₀·x₀ + w₁·x₁) + g₁·(w₀·x₁ + w₁·x₂)                                  four products
      = g₀·w₀·(x₀ − x₁) + (g₀ + g₁)·(w₀ + w₁)·x₁ + g₁·w₁·(x₂ − x₁)                three

(Multiply out: what the middle one has too much, the outer ones take away.)  S is linear in g, in w and in x, so leaving
out one letter gives all three operations, as in conv.py; for y, with m = (w₀ + w₁)·x₁:

    y₀ = ∂S/∂g₀ = w₀·(x₀ − x₁) + m        y₁ = ∂S/∂g₁ = w₁·(x₂ − x₁) + m

The sums cost little: those of w are made once a call, those of x while im2col copies, those of g and y once a block.
A 4×4 filter of stride 2 has two such pairs of taps, a 3×3 filter one.  (64 filters of 32×4×4, stride 2, 14×14 → 7×7:
y 0.86 of the time, dx 0.87, dw 0.87.)  The price: an infinite pixel gives NaN, as ∞ − ∞ is none; and
a NaN in a filter does not reach what only its products with padding would give.

Source  Winograd 1980, Arithmetic Complexity of Computations, F(2,2); Lavin & Gray 2016, arXiv:1509.09308.
"""
from functools import lru_cache
from math import gcd

import numpy as np

from .. import memory
from ..kernel import contiguous, jit
from ..threads import share_rows
from .conv_checks import out_size
from .lanes import LANES, room, up

RUN = 8192            # bytes of a row of cols at a time, at most
ROWS = 64             # rows of cols at a time, at most: 64 × 8192 bytes stay in the L2 cache
FILTERS = 16          # of which a thread adds up the gradients at a time
PAIRED = 48           # rows of cols of one tap, at least, to work in pairs: with fewer the sums cost more than they save


@lru_cache(maxsize=256)
class Plan:
    """For x (N,C,H,W), w (F,C,K,L), y and g (N,F,I,J)."""

    def __init__(self, x_shape, F, size, stride, padding, dilation, dtype):
        (C, H, W), (K, L), (s, t), (p, q), (d, e) = x_shape, size, stride, padding, dilation
        self.I, self.J = I, J = out_size((H, W), size, stride, padding, dilation)
        width = -(-max(W + q, t * (J - 1) + e * (L - 1) + 1) // t)         # of one phase of a padded row
        height = max(H + p, s * (I - 1) + d * (K - 1) + 1)
        u, v = np.arange(H)[:, None] + p, np.arange(W) + q
        at = (u * t * width + v % t * width + v // t).ravel()              # where each pixel of x stands
        border = np.setdiff1d(np.arange(height * t * width), at)           # and where none does

        if d == 1 and K > s and I > 5 and min(C * L, 3 * F) >= PAIRED:
            self.taps, self.pairs = 1, [(k, k + s) for k in range(K - s) if k // s % 2 == 0]
            products, sums, place = in_pairs(I, K, s, p, H, self.pairs)
        else:                                                              # one product, all taps of a column in it
            self.taps, self.pairs = K, []
            products, sums, place = [(0, 0, s, 0, I, 0)], [], np.arange(I)
        self.pairs = contiguous(np.array(self.pairs, int).reshape(-1, 2))
        self.filters = K // self.taps + len(self.pairs)                    # matrices made of w: of its taps, and of sums
        places = I + sum(rows for *_, rows in sums)                        # for rows of y, and for sums of them
        pixels = (place[:, None] * J + np.arange(J)).ravel()               # where each pixel of y stands

        # Pieces of whole channels, cut evenly; all but the last have a multiple of 4 rows of cols, as dw wants them.
        most = max(1, ROWS // (self.taps * L))
        self.channels = up(-(-C // -(-C // most)), 4 // gcd(4, self.taps * L)) if C > most else C
        self.rows = up(self.channels * self.taps * L)
        self.pieces = -(-C // self.channels)
        products = with_first(products, places)
        longest = max(rows for _, _, _, _, rows, *_ in products)
        chunk = min(longest, max(1, RUN // (LANES * J * dtype.itemsize)))  # rows of y at a time
        image = room(0, self.channels, LANES * height * t * width)
        out = room(image[-1], F, LANES * places * J)
        above = room(out[-1], F, LANES * places * J)
        cols = room(above[-1], self.rows, LANES * chunk * J)
        self.size = cols[-1]                                               # numbers of scratch memory
        self.facts = ((C, F, I, chunk, self.channels, self.rows, self.taps),                # sizes,
                      (t * width, width, J, L, t, d, e),                   # layout of a padded image,
                      (at, border, pixels, np.arange(0)),                  # places of pixels,
                      (image, out, above, cols),                           # rooms in the scratch memory, and
                      np.array(products), np.array(sums, int).reshape(-1, 4))
        self.dtype = dtype

    def pack(self, w):
        """w (F,C,K,L) as matrices (pieces, filters, F, rows), with room for whole steps of `product`, which are left 0."""
        packed = memory.empty((self.pieces, self.filters, up(len(w)), self.rows), w.dtype)
        if packed.size > self.filters * w.size // (w.shape[2] // self.taps):          # some places are only room
            packed[...] = 0
        pack_taps(w, packed, self.taps, self.channels, self.pairs)
        return packed

    def unpack(self, parts, shape):
        """The adjoint of pack: dw (F,C,K,L), the sum of parts (blocks, F, filters·pieces·rows)."""
        dw = np.empty(shape, parts.dtype)
        if len(parts):
            share_rows(unpack_taps, shape[0], FILTERS, parts, dw, self.taps, self.channels, self.pieces, self.rows, self.pairs)
        return dw

    def scratch(self, threads: int):
        """Memory for one block in each thread."""
        return memory.empty((threads, self.size), self.dtype)


@jit
def pack_taps(w, packed, taps, channels, pairs):
    """packed[piece, i, f, (c,k,l)] = w[f,c,k,l] for the taps k of filter i, and after these filters the sums of pairs."""
    F, C, K, L = w.shape
    for piece in range(len(packed)):
        first = piece * channels
        for f in range(F):
            here = w[f, first:first + channels]
            for k in range(K):
                row = packed[piece, k // taps, f]
                for l in range(L):
                    at = k % taps * L + l
                    for c in range(len(here)):
                        row[c * taps * L + at] = here[c, k, l]
            for i in range(len(pairs)):
                k, m = pairs[i]
                row = packed[piece, K // taps + i, f]
                for l in range(L):
                    for c in range(len(here)):
                        row[c * L + l] = here[c, k, l] + here[c, m, l]


@jit
def unpack_taps(first, last, parts, dw, taps, channels, pieces, rows, pairs):
    """dw[f,c,k,l] = Σ_blocks of what stands where pack_taps puts w[f,c,k,l], and of the sums it is part of."""
    _, C, K, L = dw.shape
    for f in range(first, last):
        total = parts[0, f]
        for block in range(1, len(parts)):
            more = parts[block, f]
            for i in range(len(total)):
                total[i] += more[i]
        for piece in range(pieces):
            here = dw[f, piece * channels:(piece + 1) * channels]
            for k in range(K):
                row = total[(k // taps * pieces + piece) * rows:]
                for l in range(L):
                    at = k % taps * L + l
                    for c in range(len(here)):
                        here[c, k, l] = row[c * taps * L + at]
            for i in range(len(pairs)):
                k, m = pairs[i]
                row = total[((K // taps + i) * pieces + piece) * rows:]
                for l in range(L):
                    for c in range(len(here)):
                        here[c, k, l] += row[c * L + l]
                        here[c, m, l] += row[c * L + l]


def in_pairs(I, K, s, p, H, pairs):
    """The products for rows and taps in pairs, what is added up for them, and the place of each row i of y.

    A product   (first row of x, distance to the row taken away from it, or 0, step from row to row,
                first place in y, number of rows, filter)
    A sum       (place, g₀'s place, g₁'s place, number of rows)
    Even rows i stand first, then the odd ones, so that the rows of a product are neighbours.  Where I is odd, the first
    row or the last has no partner.  It needs none if x₁ lies in the padding there: what they would share is 0.
    """
    place = [i // 2 + i % 2 * (I - I // 2) for i in range(I)]
    products, sums, end = [], {}, I

    def add(i, k, less, count, filter):
        """Rows i, i + 2, … of y, and what tap k meets there, less another row of x."""
        products.append((s * i + k, less, 2 * s, place[i], count, filter))

    for number, (k, m) in enumerate(pairs):
        half, before, after = I // 2, I % 2 and k < p, I % 2 and s * (I - 1) + m >= H + p
        first = int(before)                                    # of the first whole pair
        if first not in sums:
            sums[first] = (end, place[first], place[first + 1], half)
            end += half
        add(first, k, s, half + (after and not before), k)                                 # g₀ · w₀ · (x₀ − x₁)
        products.append((s * first + m, 0, 2 * s, sums[first][0], half, K + number))       # (g₀ + g₁) · (w₀ + w₁) · x₁
        add(0 if before else 1, m, -s, half + before, m)                                   # g₁ · w₁ · (x₂ − x₁)
        if I % 2 and not before and not after:
            add(I - 1, k, 0, 1, k)
            add(I - 1, m, 0, 1, m)
    for k in set(range(K)).difference(*pairs):                 # taps without a partner
        add(0, k, 0, I - I // 2, k)
        add(1, k, 0, I // 2, k)
    return products, list(sums.values()), np.array(place)


def with_first(products: list, places: int) -> list:
    """Each product, and whether it adds to what an earlier one left (1) or is the first there (0): in y, and in dw."""
    found, touched, seen = [], np.zeros(places, bool), set()
    for start, less, step, place, count, filter in products:
        rows = touched[place:place + count]
        cuts = [0, *(1 + np.flatnonzero(rows[1:] != rows[:-1])), count]    # mostly none: all are the first there, or none is
        for a, b in zip(cuts, cuts[1:]):
            found.append((start + step * a, less, step, place + a, b - a, filter, int(rows[a]), int(filter in seen)))
            seen.add(filter)
        touched[place:place + count] = True
    return found
