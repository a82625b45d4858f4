"""The sieve of k-means: the two best centres of every row by inner products, and whether that can be trusted.

    ‖x − c‖² = ‖x‖² + 2·rank        rank[j] = ½‖c[j]‖² − ⟨x, c[j]⟩: the smallest rank is the nearest centre

Far from 0 ranks are large where their differences are small, and rounding may turn their order round: by no more
than  near = slope·‖x‖ + floor.  Rows whose best two ranks are closer than that come back as not settled.

Why it is fast   wide rows: four rows meet five centres at a time, twenty sums in registers; each row comes from main
         memory once.  Narrow rows: 256 of them side by side, so that the loops run along rows, not columns.
"""
import numpy as np

from ..kernel import jit

SIDE = 256                    # narrow rows that are put side by side


@jit
def doubtful(labels, upper, lower, moved, others, room, up):
    """Move the bounds as far as the centres moved; the rows that they then do not decide, all if they are many."""
    rows, count, down = np.empty(len(labels), np.int64), 0, 2 - up
    for n in range(len(labels)):
        a = labels[n]
        u, low = (upper[n] + moved[a]) * up, (lower[n] - others[a]) * down
        upper[n], lower[n] = u, low
        rows[count] = n
        count += not max(low, room[a]) > u * up                # no branch: which way it went could not be guessed
    if 2 * count < len(labels):
        return rows[:count]
    for n in range(len(labels)):
        rows[n] = n
    return rows


@jit(flags={"contract", "reassoc", "nsz"})
def wide_sieve(x, centres, half, slope, floor, eta, moved, others, room, norms, labels, upper, lower):
    """Four rows at a time; at the end some are missing, and the last one takes their place."""
    zero, two, dots = x.dtype.type(0), x.dtype.type(2), np.empty((4, len(centres)), x.dtype)
    rows, unsettled = doubtful(labels, upper, lower, moved, others, room, 1 + 8 * eta), 0
    for start in range(0, len(rows), 4):
        last = min(start + 4, len(rows)) - 1
        four = rows[start], rows[min(start + 1, last)], rows[min(start + 2, last)], rows[last]
        products(x[four[0]], x[four[1]], x[four[2]], x[four[3]], centres, dots)
        for i in range(start, last + 1):
            n, row = rows[i], dots[i - start if i < last else 3]
            a, best, second = 0, half[0] - row[0], x.dtype.type(np.inf)
            for j in range(1, len(half)):
                rank = half[j] - row[j]
                if rank < best:
                    a, best, second = j, rank, best
                elif rank < second:
                    second = rank
            if norms[n] < 0:                                   # not computed yet
                norms[n] = 0
                for d in range(x.shape[1]):
                    norms[n] += x[n, d] * x[n, d]
            near = slope * np.sqrt(norms[n]) + floor
            doubt = two * (two * near + eta * norms[n])        # ‖x − c‖² = ‖x‖² + 2·rank, give or take
            labels[n], lower[n] = a, np.sqrt(max(norms[n] + two * second - doubt, zero))
            upper[n] = np.sqrt(max(norms[n] + two * best, zero) + doubt)
            rows[unsettled] = n                                # the list of the unsettled grows over rows that are done
            unsettled += not second - best > near
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


@jit(flags={"contract"})
def narrow_sieve(columns, first, centres, half, slope, floor, eta, moved, others, room, norms, labels, upper, lower):
    """Many rows at a time, those from `first` on of x transposed.  Plain loops over rows: LLVM vectorises those."""
    zero, two, D, dtype = columns.dtype.type(0), columns.dtype.type(2), len(columns), columns.dtype
    rows, unsettled = doubtful(labels, upper, lower, moved, others, room, 1 + 8 * eta), 0
    few, few_norms, scratch = np.empty((D, SIDE), dtype), np.ones(SIDE, dtype), np.empty((5, SIDE), dtype)
    rank, rival, best, second, gap = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    found = np.empty(SIDE, np.int32)
    for start in range(0, len(rows), SIDE):
        count = min(SIDE, len(rows) - start)
        whole = len(rows) == len(labels) and count == SIDE
        if whole:
            t, at, norm = columns, first + start, norms[start:start + SIDE]
        else:
            t, at, norm = few, 0, few_norms
            for i in range(count):
                norm[i] = norms[rows[start + i]]
            for d in range(D):
                for i in range(count):
                    few[d, i] = columns[d, first + rows[start + i]]
        for i in range(SIDE):
            best[i] = second[i] = np.inf
            found[i] = 0
        for j in range(0, len(centres), 2):                    # two centres at a time
            h, this = half[j], np.int32(j)
            for i in range(SIDE):
                rank[i] = h
            h, other = half[j+1], np.int32(j + 1)
            for i in range(SIDE):
                rival[i] = h
            for d in range(0, D, 4):
                ta, tb, tc, td = t[d, at:at + SIDE], t[d+1, at:at + SIDE], t[d+2, at:at + SIDE], t[d+3, at:at + SIDE]
                ca, cb, cc, cd = centres[j, d], centres[j, d+1], centres[j, d+2], centres[j, d+3]
                ea, eb, ec, ed = centres[j+1, d], centres[j+1, d+1], centres[j+1, d+2], centres[j+1, d+3]
                for i in range(SIDE):
                    p, q, r, s = ta[i], tb[i], tc[i], td[i]
                    rank[i] -= p * ca + q * cb + r * cc + s * cd
                    rival[i] -= p * ea + q * eb + r * ec + s * ed
            for i in range(SIDE):                              # who wins a tie here does not matter: it is not settled
                found[i] = this if rank[i] < best[i] else found[i]
            for i in range(SIDE):
                worse = best[i] if rank[i] < best[i] else rank[i]
                second[i] = worse if worse < second[i] else second[i]
            for i in range(SIDE):
                best[i] = rank[i] if rank[i] < best[i] else best[i]
            for i in range(SIDE):
                found[i] = other if rival[i] < best[i] else found[i]
            for i in range(SIDE):
                worse = best[i] if rival[i] < best[i] else rival[i]
                second[i] = worse if worse < second[i] else second[i]
            for i in range(SIDE):
                best[i] = rival[i] if rival[i] < best[i] else best[i]
        for i in range(SIDE):
            near = slope * np.sqrt(norm[i]) + floor
            doubt = two * (two * near + eta * norm[i])         # ‖x − c‖² = ‖x‖² + 2·rank, give or take
            gap[i] = second[i] - best[i] - near                # above 0: more than rounding can have moved them
            best[i] = np.sqrt(max(norm[i] + two * best[i], zero) + doubt)
            second[i] = np.sqrt(max(norm[i] + two * second[i] - doubt, zero))
        if whole:
            labels[start:start + SIDE], upper[start:start + SIDE], lower[start:start + SIDE] = found, best, second
        else:
            for i in range(count):
                n = rows[start + i]
                labels[n], upper[n], lower[n] = found[i], best[i], second[i]
        for i in range(count):
            rows[unsettled] = rows[start + i]                  # the list of the unsettled grows over rows that are done
            unsettled += not gap[i] > 0
    return rows[:unsettled]
