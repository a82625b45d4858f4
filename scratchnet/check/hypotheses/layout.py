"""The right numbers in the wrong form: shape, order, direction, place."""
from __future__ import annotations

import itertools
from typing import Iterator

import numpy as np

from .case import RTOL, Case, Claim, fits, residual, subsets


def shapes(c: Case) -> Iterator[Claim]:
    """A has another shape than x: un-summed, transposed, not cropped, summed too much, or the same numbers reshaped."""
    a, n = c.A[0], c.N[0]
    if a.shape == n.shape:
        return
    got = f"shape {a.shape} instead of {n.shape}"
    for axes in subsets(range(a.ndim)):
        summed = [v.sum(axis=axes) for v in c.A]
        if summed[0].size == n.size and fits([v.reshape(n.shape) for v in summed], c.N):
            if all(a.shape[k] == 1 for k in axes):
                yield Claim(0.5, "SHAPE_RESHAPE", "", f"the numbers are right but the shape is {a.shape} instead of {n.shape}")
            else:
                lead = c.d.y.ndim - a.ndim      # its axes are the output's last ones, if the lengths say so
                where = c.along(k + lead for k in axes) if c.d.y.shape[max(lead, 0):] == a.shape else ",".join(f"axis{k}" for k in axes)
                yield Claim(0, "UNSUMMED", where, f"{got}: sum over {where} — {c.name} was broadcast there, so every copy "
                                                  "sends a gradient back")
    if a.size == n.size:
        for p in itertools.permutations(range(a.ndim)):
            if p != tuple(range(a.ndim)) and fits([v.transpose(p) for v in c.A], c.N):
                yield Claim(0, "TRANSPOSED", str(np.argsort(p).tolist()), f"the gradient is transposed: {got}")
        if fits([v.reshape(n.shape) for v in c.A], c.N):
            yield Claim(0.5, "SHAPE_RESHAPE", "", f"the numbers are right but the shape is {a.shape} instead of {n.shape}")
    if a.ndim == n.ndim and all(p >= q for p, q in zip(a.shape, n.shape)):
        for off in itertools.product(*(range(p - q + 1) for p, q in zip(a.shape, n.shape))):
            if fits([v[tuple(slice(o, o + q) for o, q in zip(off, n.shape))] for v in c.A], c.N):
                yield Claim(0, "UNCROPPED", "", f"{got}: the right gradient is inside, cut it out at offset {off} "
                                                "(padding was added and not taken off again)")
    for axes in subsets(k for k in range(n.ndim) if n.shape[k] > 1):
        for reduce, word in ((np.sum, "summed"), (np.mean, "averaged")):
            less = [reduce(v, axis=axes) for v in c.N]
            if less[0].size == a.size and fits([v.reshape(less[0].shape) for v in c.A], less):
                yield Claim(0, "OVERSUMMED", f"{word} axis {axes}", f"{got}: {word} over axes {axes} of {c.name}, which it has itself")
    yield Claim(90, "SHAPE", "", f"the gradient has shape {a.shape}, {c.name} has {n.shape}")


def wrong_axes(c: Case) -> Iterator[Claim]:
    """Where each output reads one entry of x: the terms g·J are right, summed over other axes than x was broadcast along."""
    J = c.J
    if c.d.scalar or not J.size or (np.abs(J) > 1e-9).sum(1).max() > 1:
        return
    terms = [(g.ravel() * J.sum(1)).reshape(c.d.y.shape) for g in c.gs]
    for axes in subsets(range(c.d.y.ndim), least=0 if c.x.size < c.d.y.size else 1):
        for reduce, word in ((np.sum, "summed"), (np.mean, "averaged"))[:1 if not axes else 2]:
            less = [reduce(t, axis=axes) if axes else t for t in terms]
            if less[0].size != c.A[0].size or not fits([a.ravel() for a in c.A], [v.ravel() for v in less]):
                continue
            if not (c.A[0].shape == c.x.shape and fits([v.reshape(c.x.shape) for v in less], c.N)):
                what = c.along(axes) or "nothing"
                yield Claim(2, "WRONG_AXES", f"{word} over {what}", f"the terms are right but they are {word} over {what}; "
                            f"{c.name} of shape {c.x.shape} needs a sum over the axes it was broadcast along")


def orders(c: Case) -> Iterator[Claim]:
    """Transposed, reshaped for transposed, reversed."""
    for p in itertools.permutations(range(c.x.ndim)):
        if p == tuple(range(c.x.ndim)):
            continue
        if c.is_([n.transpose(p) for n in c.N]):
            yield Claim(4, "TRANSPOSED", str(list(p)), f"the gradient is the right one transposed by {p}")
        if fits([a.ravel() for a in c.A], [n.transpose(p).ravel() for n in c.N]):
            yield Claim(4.5, "REORDERED", str(list(p)), "the right numbers in the wrong order: reshape was used where a "
                                                        "transpose was needed")
    for axes in subsets(k for k in range(c.x.ndim) if c.x.shape[k] > 1):
        if c.is_([np.flip(n, axes) for n in c.N]):
            yield Claim(4, "FLIPPED", str(list(axes)), f"the gradient is the right one reversed along axes {list(axes)}")


def moved(c: Case) -> Iterator[Claim]:
    """Shifted by a few pixels, or along one axis; what falls off the edge is unknown, so the overlap is compared."""
    if c.x.ndim >= 2 and min(c.x.shape[-2:]) >= 3:
        for off in itertools.product((-2, -1, 0, 1, 2), repeat=2):
            if off != (0, 0) and overlap_fits(c, off):
                yield Claim(9, "SHIFTED", f"{off[0]:+d},{off[1]:+d}",
                            f"the gradient is the right one moved by {off} pixels: the offset of padding or crop is off")
    for axis in range(c.x.ndim):
        for by in (-1, 1):
            if c.x.shape[axis] > 2 and c.is_([np.roll(n, by, axis) for n in c.N]):
                yield Claim(9.5, "SHIFTED", f"rolled {by:+d} along axis {axis}",
                            f"the gradient is the right one moved by {by} along axis {axis}, round the end: an index is off by one")


def overlap_fits(c: Case, off: tuple) -> bool:
    inside = shift(np.ones(c.x.shape[-2:]), off) > 0
    a = np.concatenate([v[..., inside].ravel() for v in c.A])
    b = np.concatenate([shift(n, off)[..., inside].ravel() for n in c.N])
    return np.linalg.norm(b) > 0 and residual(a, b) < RTOL


def shift(v: np.ndarray, off: tuple) -> np.ndarray:
    """v moved along its last axes, zeros coming in."""
    out = np.zeros_like(v)
    source, target = [slice(None)] * v.ndim, [slice(None)] * v.ndim
    for k, by in enumerate(off):
        axis = v.ndim - len(off) + k
        n = v.shape[axis]
        if abs(by) >= n:
            return out
        source[axis] = slice(max(0, -by), n - max(0, by))
        target[axis] = slice(max(0, by), n - max(0, -by))
    out[tuple(target)] = v[tuple(source)]
    return out
