"""The sieve of k-means: the two best centres of every row by inner products, and whether that can be trusted.

    ‖x − c‖² = ‖x‖² + 2·rank        rank[j] = ½‖c[j]‖² − ⟨x, c[j]⟩: the smallest rank is the nearest centre

Far from 0 ranks are large where their differences are small, and rounding may turn their order round: by no more
than  near = slope·‖x‖ + floor.  Rows whose best two ranks are closer than that come back as not settled.

A sketch of x knows ⟨x, c⟩ along a few directions only.  What it misses is at most  rest·‖q[j] − q[a]‖  between two
centres, rest and q being the lengths of what x and the centres have beside those directions (Cauchy–Schwarz): rows
whose best two ranks are closer than `rest·reach[a]`, the largest of these for centre a, are not settled either.

Why it is fast   tiles: 512 rows side by side, so that the loops run along rows; 25 numbers of five centres meet five
         columns of a tile in registers.  Always in float32, also of rows in float64: of 60,000 rows of 10 columns,
         all but a few are settled, at half the price.  Wide rows, of either dtype: four of them meet five centres at a
         time, twenty sums in registers.
"""
import numpy as np

from ..kernel import jit

SIDE = 512                    # rows of a tile
FIVE = 5                      # centres at a time, and columns; of centres that are missing, half = ∞


@jit(flags={"contract"})
def sieve(tiles, lengths, rest, centres, half, slope, floor, reach, labels, rows):
    """Labels of the rows of these tiles, whole tiles; the numbers of those that are not settled, in the array `rows`.

    Plain loops over the rows of a tile, which LLVM vectorises: 60,000 rows of 10 columns and 10 centres take 0.12 ms.
    With tiles of 256 rows it is more: each loop first makes sure that no array overlaps another.
    """
    D, space, unsettled, farthest = tiles.shape[1], np.empty((7, SIDE), tiles.dtype), 0, reach.max()
    va, vb, vc, vd, ve, best, second = space[0], space[1], space[2], space[3], space[4], space[5], space[6]
    for tile in range(len(tiles)):
        t, start = tiles[tile], tile * SIDE
        found = labels[start:start + SIDE]
        for i in range(SIDE):
            best[i] = second[i] = np.inf
            found[i] = 0                                       # stays so if no rank is below ∞
        for j in range(0, len(centres), 5):
            a, b, c, d, e = centres[j], centres[j+1], centres[j+2], centres[j+3], centres[j+4]
            ha, hb, hc, hd, he = half[j], half[j+1], half[j+2], half[j+3], half[j+4]
            ja, jb, jc, jd, je = np.int32(j), np.int32(j+1), np.int32(j+2), np.int32(j+3), np.int32(j+4)
            for z in range(0, D, 5):
                tp, tq, tr, ts, tu = t[z], t[z+1], t[z+2], t[z+3], t[z+4]
                ap, aq, ar, az, au = a[z], a[z+1], a[z+2], a[z+3], a[z+4]
                bp, bq, br, bz, bu = b[z], b[z+1], b[z+2], b[z+3], b[z+4]
                cp, cq, cr, cz, cu = c[z], c[z+1], c[z+2], c[z+3], c[z+4]
                dp, dq, dr, dz, du = d[z], d[z+1], d[z+2], d[z+3], d[z+4]
                ep, eq, er, ez, eu = e[z], e[z+1], e[z+2], e[z+3], e[z+4]
                for i in range(SIDE):
                    p, q, r, s, u = tp[i], tq[i], tr[i], ts[i], tu[i]
                    va[i] = (ha if z == 0 else va[i]) - p * ap - q * aq - r * ar - s * az - u * au
                    vb[i] = (hb if z == 0 else vb[i]) - p * bp - q * bq - r * br - s * bz - u * bu
                    vc[i] = (hc if z == 0 else vc[i]) - p * cp - q * cq - r * cr - s * cz - u * cu
                    vd[i] = (hd if z == 0 else vd[i]) - p * dp - q * dq - r * dr - s * dz - u * du
                    ve[i] = (he if z == 0 else ve[i]) - p * ep - q * eq - r * er - s * ez - u * eu
            for i in range(SIDE):
                one, two, who = ahead(va[i], ja, best[i], second[i], found[i])
                one, two, who = ahead(vb[i], jb, one, two, who)
                one, two, who = ahead(vc[i], jc, one, two, who)
                one, two, who = ahead(vd[i], jd, one, two, who)
                best[i], second[i], found[i] = ahead(ve[i], je, one, two, who)
        for i in range(SIDE):                                  # above 0: it stays so, whatever rounding has moved, …
            second[i] -= best[i] + slope * lengths[tile, i] + floor
        if farthest > 0:                                       # … and whatever the sketch has left out
            for i in range(SIDE):
                va[i] = reach[found[i]]
            for i in range(SIDE):
                second[i] -= rest[tile, i] * va[i]
        close = 0
        for i in range(SIDE):
            close += not second[i] > 0
        if close:
            for i in range(min(SIDE, len(rows) - start)):
                rows[unsettled] = start + i
                unsettled += not second[i] > 0                 # no branch: which way it went could not be guessed
    return rows[:unsettled]


@jit
def ahead(rank, j, best, second, found):
    """The two best ranks and whose the best is, with centre j among them.  Who wins a tie does not matter: none is settled."""
    worse = best if rank < best else rank
    return rank if rank < best else best, worse if worse < second else second, j if rank < best else found


@jit(flags={"contract", "reassoc", "nsz"})
def wide_sieve(x, rows, centres, half, slope, floor, labels):
    """Labels of these rows of x, four at a time; which of them are not settled.

    At the end some of four are missing, and the last row takes their place.
    """
    dots, unsettled = np.empty((4, len(centres)), x.dtype), 0
    for start in range(0, len(rows), 4):
        last = min(start + 4, len(rows)) - 1
        four = rows[start], rows[min(start + 1, last)], rows[min(start + 2, last)], rows[last]
        products(x[four[0]], x[four[1]], x[four[2]], x[four[3]], centres, dots)
        for i in range(start, last + 1):
            n, row = rows[i], dots[i - start if i < last else 3]
            a, best, second, norm = 0, half[0] - row[0], x.dtype.type(np.inf), x.dtype.type(0)
            for j in range(1, len(half)):
                rank = half[j] - row[j]
                if rank < best:
                    a, best, second = j, rank, best
                elif rank < second:
                    second = rank
            for d in range(x.shape[1]):
                norm += x[n, d] * x[n, d]
            labels[n], rows[unsettled] = a, n                  # the list of the unsettled grows over rows that are done
            unsettled += not second - best > slope * np.sqrt(norm) + floor
    return rows[:unsettled]


@jit(flags={"contract", "reassoc", "nsz"})
def products(xa, xb, xc, xd, c, dots):
    """dots[i, j] = ⟨row i, c[j]⟩ of four rows, five centres at a time: nine loads for twenty products."""
    whole = len(xa) // 16 * 16                                 # LLVM then needs no loop for a remainder inside
    for j in range(0, len(c), 5):
        ca, cb, cc, cd, ce = c[j], c[j+1], c[j+2], c[j+3], c[j+4]
        zero = xa.dtype.type(0)
        aa = ab = ac = ad = ae = ba = bb = bc = bd = be = zero
        sa = sb = sc = sd = se = da = db = dc = dd = de = zero
        for i in range(whole):
            p, q, r, s = xa[i], xb[i], xc[i], xd[i]
            u, v, w, y, z = ca[i], cb[i], cc[i], cd[i], ce[i]
            aa += p * u; ab += p * v; ac += p * w; ad += p * y; ae += p * z
            ba += q * u; bb += q * v; bc += q * w; bd += q * y; be += q * z
            sa += r * u; sb += r * v; sc += r * w; sd += r * y; se += r * z
            da += s * u; db += s * v; dc += s * w; dd += s * y; de += s * z
        dots[0, j], dots[0, j+1], dots[0, j+2], dots[0, j+3], dots[0, j+4] = aa, ab, ac, ad, ae
        dots[1, j], dots[1, j+1], dots[1, j+2], dots[1, j+3], dots[1, j+4] = ba, bb, bc, bd, be
        dots[2, j], dots[2, j+1], dots[2, j+2], dots[2, j+3], dots[2, j+4] = sa, sb, sc, sd, se
        dots[3, j], dots[3, j+1], dots[3, j+2], dots[3, j+3], dots[3, j+4] = da, db, dc, dd, de
        for i in range(whole, len(xa)):
            for k in range(j, j + 5):
                dots[0, k] += xa[i] * c[k, i]; dots[1, k] += xb[i] * c[k, i]
                dots[2, k] += xc[i] * c[k, i]; dots[3, k] += xd[i] * c[k, i]
