"""Where a gradient is wrong, when nothing better is known: which entries, and what is there instead."""
from __future__ import annotations

from typing import Iterator

import numpy as np

from .case import RTOL, Case, Claim, residual


def masks(c: Case) -> dict[str, np.ndarray]:
    """Sets of entries that have a name."""
    found: dict[str, np.ndarray] = {}
    for name, v in c.d.known_like(c.x.shape):
        if v.size > 1:
            found |= {f"{name}<0": v < 0, f"{name}>0": v > 0, f"{name}==0": v == 0}
            if ((v == 0) | (v == 1)).all():
                found[f"{name}==1"] = v == 1
    index = np.indices(c.x.shape)
    if c.x.ndim >= 2 and c.x.size > 3:
        (r, col), (R, C) = index[-2:], c.x.shape[-2:]
        if min(R, C) >= 3:
            for width in (1, 2):
                found[f"border {width}"] = (r < width) | (col < width) | (r >= R - width) | (col >= C - width)
            found |= {"last row/col": (r == R - 1) | (col == C - 1), "first row/col": (r == 0) | (col == 0),
                      "last row": r == R - 1, "last col": col == C - 1, "interior": ~found["border 1"]}
        for s in (2, 3):
            for phase in range(s):
                found |= {f"row%{s}=={phase}": r % s == phase, f"col%{s}=={phase}": col % s == phase}
            on = (r % s == 0) & (col % s == 0)
            found |= {f"not on the stride-{s} grid": ~on, f"on the stride-{s} grid": on}
    for axis, n in enumerate(c.x.shape):
        for k in (0, n - 1) if n > 1 else ():
            here, which = index[axis] == k, "last" if k else "first"
            found |= {f"axis {axis} index {which}": here, f"axis {axis} index not {which}": ~here}
    return found


def local(c: Case) -> Iterator[Claim]:
    """The error's mask is one that has a name."""
    size = max(np.abs(c.n).max(initial=0), 1e-12)
    bad, idle = np.zeros(c.x.shape, bool), np.ones(c.x.shape, bool)
    for a, n in zip(c.A, c.N):
        bad |= np.abs(a - n) > 1e-6 * size
        idle &= np.abs(a) + np.abs(n) < 1e-9 * size            # right and wrong formula may agree on 0
    if not bad.any() or bad.all():
        return
    for name, mask in masks(c).items():
        live = mask & ~idle
        rest = ~mask & ~idle                    # a set of nearly all entries says nothing about where
        if not live.any() or rest.sum() < max(1, 0.05 * (~idle).sum()) or (bad & ~mask).any() or bad[live].mean() < 0.95:
            continue
        a, n = (np.concatenate([v[bad] for v in side]) for side in (c.A, c.N))
        how = ("is zero there" if (np.abs(a) < 1e-9 * size).all() else
               "should be zero there" if (np.abs(n) < 1e-9 * size).all() else "is wrong there")
        ratio = float(a @ n / max(n @ n, 1e-300))
        if how == "is wrong there" and residual(a, ratio * n) < RTOL and c.readings(ratio):
            how = f"is {c.readings(ratio)[0]} times the right one there"
        yield Claim(13, "LOCAL", f"{name}: {how}", f"only the entries with {name} are wrong; the gradient {how}")


def routing(c: Case) -> Iterator[Claim]:
    """Gradient where none belongs, none where some belongs, or the right total in the wrong place."""
    A, N = np.stack(c.A), np.stack(c.N)
    size = max(np.abs(N).max(initial=0), 1e-12)
    no_n, no_a, same = np.abs(N) < 1e-9 * size, np.abs(A) < 1e-9 * size, np.abs(A - N) < 1e-6 * size
    if (same | (no_n & ~no_a)).all() and (no_n & ~no_a).any() and not no_n.all():
        yield Claim(13.5, "LEAK", "", "entries that take part are right, but gradient also flows to entries that did not "
                                      "(a mask or an argmax is missing)")
    elif (same | (no_a & ~no_n)).all() and (no_a & ~no_n).any():
        yield Claim(13.5, "DROPPED", "", f"{np.mean(no_a & ~no_n):.0%} of the entries are zero that should not be; the rest is right")
    elif c.x.ndim >= 2:
        axes = (-2, -1) if c.x.ndim > 2 else (-1,)
        if residual(A.sum(axis=axes), N.sum(axis=axes)) < RTOL and np.linalg.norm(N.sum(axis=axes)) > 1e-6 * np.linalg.norm(N):
            yield Claim(14, "MISROUTED", "", "the total per row or channel is right but it arrives at the wrong entries "
                                             "(index, argmax or order)")
