"""Is this gradient the measured one?  Entry by entry, for every random g; at kinks, anything between the two sides.

    right    |got − g·J| ≤ tol · max|g·J| + round-off
    kink     Σ_o min(g_o·left_o, g_o·right_o) ≤ got ≤ Σ_o max(g_o·left_o, g_o·right_o)
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .draw import Draw
from .numeric import H, STEEP, Jacobian, as_array, scale_of, sides

MENDED = 60                                     # so many entries are looked at for kinks even where they are right


class Verdict(NamedTuple):
    """error: largest, relative to the largest right entry.  wrong, kinks: masks over the input's entries."""
    error: float
    wrong: np.ndarray
    kinks: np.ndarray
    outside: bool = False                       # every wrong entry sits at a kink
    together: bool = False                      # each could be right, but not all of them at once


def compare(d: Draw, name: str, tol: float, convention: str | None = None) -> Verdict:
    """convention: "left" or "right" where at a kink only that side's slope is to count as right."""
    x = d.inputs[name]
    A = np.stack([np.zeros(x.size) if a is None else a.ravel() for a in d.got[name]])
    N = np.stack([n.ravel() for n in d.right(name)])
    known = np.isfinite(d.J(name)).all(0)                       # the other columns were steps too far: see mend
    size = max(np.abs(N[:, known]).max(initial=0), 1e-300)
    floor = 1e-14 + max(float((1e-11 * np.abs(g).ravel() @ np.abs(d.J(name)[:, known])).max(initial=0)) for g in d.gs)
    floor += (1e-13 if d.jacobian(name).exact else 1e-10) * max(float(np.sum(np.abs(1e-3 * g * d.y))) for g in d.gs) * 1e3
    floor += 50 * d.subject.noise / H
    if d.single or d.dtypes.get(name) == np.float32:           # said elsewhere; here: as right as single precision can be
        tol = max(tol, 2e-3 if d.single else 5e-6)
    allowed = tol * size + floor
    far = ~(np.abs(A - N) <= allowed)
    if far.any() and not d.jacobian(name).exact:                # is it rounding?  Where it is not little, the noise must be
        noise = d.jacobian(name).noise.ravel()
        if not np.abs(A - N)[far].max() < 0.05 * size:
            noise = noise * (noise <= 1e-12 * (1 + np.abs(d.y).ravel()))       # more than that is a kink near by
        floor += 10 * max(float(np.abs(g).ravel() @ noise) for g in d.gs) / (H * scale_of(x))
        allowed = tol * size + floor
        far = ~(np.abs(A - N) <= allowed)
    kinks, outside = np.zeros(x.size, bool), np.zeros(x.size, bool)
    suspects = np.flatnonzero(far.any(0) | ~np.isfinite(N).all(0))
    if d.single:
        suspects = suspects[:0]
    if convention or d.jacobian(name).rough:
        suspects = np.union1d(suspects, np.arange(x.size)[:MENDED])
    for e in suspects:
        left, right = d.jacobian(name).mend(e)
        kinks[e] = d.jacobian(name).kink[e]
        for i, g in enumerate(d.gs):
            l, r, a = g.ravel() * left, g.ravel() * right, A[i, e]
            slack = 1e-4 * max(size, *np.minimum((np.abs(l).sum(), np.abs(r).sum()), STEEP)) + 10 * floor
            low, high = np.minimum(l, r).sum() - slack, np.maximum(l, r).sum() + slack
            if kinks[e] and convention:
                low, high = ((l if convention == "left" else r).sum() + s for s in (-slack, slack))
            measured, N[i, e] = N[i, e], g.ravel() @ d.J(name)[:, e]
            wanted = low <= a <= high if kinks[e] else \
                min(abs(a - N[i, e]) - 1e-7 * size, np.nan_to_num(abs(a - measured), nan=np.inf)) <= allowed
            far[i, e] = not wanted
        outside[e] = kinks[e] and far[:, e].any()
    wrong, together = far.any(0), False
    if kinks.sum() > 1 and not wrong.any():
        together = disagree(d, name, A, kinks, 1e-4 * size + 10 * floor)
        wrong = kinks & (A != 0).any(0) if together else wrong
        outside = outside | wrong
    smooth = ~kinks
    error = np.abs(A - N)[:, smooth].max(initial=0) / size if size > 1e-290 else float(np.abs(A - N).max(initial=0) > floor)
    return Verdict(float(error), wrong.reshape(x.shape), kinks.reshape(x.shape),
                   bool(wrong.any()) and not (wrong & ~outside).any(), together)


def disagree(d: Draw, name: str, A: np.ndarray, kinks: np.ndarray, slack: float) -> bool:
    """Along the direction that moves all entries at kinks together, a tie stays a tie: is there a slope, and another one?"""
    x, v = d.inputs[name], kinks.reshape(d.inputs[name].shape) * 1.0
    with np.errstate(all="ignore"):
        left, right, noise = (s.ravel() for s in sides(as_array(d.function_of(name)), x, v))
    if not np.all(np.abs(left - right) <= noise + 1e-6 * np.abs(right)):
        return False
    return any(abs(float(a @ v.ravel()) - float(g.ravel() @ (left + right)) / 2) > slack + float(np.abs(g).ravel() @ noise)
               for a, g in zip(A, d.gs))


def shared(d: Draw, tol: float, rng, neighbours: int = 32) -> bool:
    """Of a draw that is wrong as slopes go, but right beside: are its gradients mixtures of those beside it?

    Where entries tie, as in a median, the slope of each alone may be 0 on both sides: no gradient of the pieces is.  A right one
    lies, entry by entry, between those of the pieces that meet here, and has the slope along the ties themselves.
    """
    inputs = [a if not (isinstance(a, np.ndarray) and a.dtype.kind == "f") else None for a in d.inputs.values()]
    near = []
    for _ in range(neighbours):
        moved = [a + 1e-4 * scale_of(a) * rng.standard_normal(a.shape) if kept is None else kept
                 for a, kept in zip(d.inputs.values(), inputs)]
        near.append(Draw(d.subject, moved, rng, gs=d.gs))
    for name in d.wrt:
        if any(a is None or a.shape != d.inputs[name].shape for one in (d, *near) for a in one.got[name]):
            return False
        wrong = compare(d, name, tol).wrong
        if not wrong.any():
            continue
        along, x = wrong * 1.0, d.inputs[name]
        with np.errstate(all="ignore"):
            left, right, _ = sides(as_array(d.function_of(name)), x, along)
        pieces = np.stack([one.got[name] for one in near])             # by neighbour, by g
        low, high, slack = pieces.min(0), pieces.max(0), 1e-2 * np.abs(pieces).max(initial=0)
        if not ((high - low).max(0) > slack)[wrong].all():              # no kink there that could excuse it
            return False
        for a, g, least, most in zip(d.got[name], d.gs, low, high):
            l, r = float(np.sum(g * left)), float(np.sum(g * right))
            between = (a >= least - slack) & (a <= most + slack)
            if not between[wrong].all() or abs(l - r) > slack or abs(float(np.sum(a * along)) - l) > slack:
                return False
    return True


DIRECTIONS = 12


def along_directions(d: Draw, name: str, tol: float, rng, count: int = DIRECTIONS) -> Verdict:
    """The same for a large input: ⟨got, v⟩ against the slope along v, for random v and every g."""
    x, worst, wrong, f = d.inputs[name], 0.0, False, d.function_of(name)
    if any(a is None for a in d.got[name]):
        got = [np.zeros(x.shape) for _ in d.gs]
    else:
        got = d.got[name]
    rows = []
    for _ in range(count):
        v = rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1.5, x.shape) * scale_of(x)
        line = Jacobian(lambda t: f(x + t * v), np.zeros(()))
        rows += [(a, v, g, line) for a, g in zip(got, d.gs)]
    size = max(max(abs(float(g.ravel() @ line.J[:, 0])) for _, _, g, line in rows), 1e-300)
    for a, v, g, line in rows:
        claimed, measured = float(np.sum(a * v)), float(g.ravel() @ line.J[:, 0])
        floor = 1e-11 * float(np.abs(g).ravel() @ np.abs(line.J[:, 0])) + (1e-13 if line.exact else 1e-10) * float(np.sum(np.abs(g * d.y)))
        error = abs(claimed - measured)
        if not error <= tol * size + floor:
            left, right = line.mend(0)
            l, r, slack = g.ravel() * left, g.ravel() * right, 1e-4 * size + 1e3 * floor
            if line.kink[0]:
                wrong |= not np.minimum(l, r).sum() - slack <= claimed <= np.maximum(l, r).sum() + slack
                continue
            error = abs(claimed - float(g.ravel() @ line.J[:, 0]))
            wrong |= not error <= tol * size + floor + 1e-7 * size
        worst = max(worst, error / size if np.isfinite(error) else np.inf)
    return Verdict(worst, np.full(x.shape, wrong), np.zeros(x.shape, bool))
