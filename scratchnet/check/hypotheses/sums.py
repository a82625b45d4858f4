"""One factor for all, or sums with terms left out: constants, loops, scatters."""
from __future__ import annotations

from typing import Iterator

import numpy as np

from .case import Case, Claim, factor, fits, subsets, weights


def simple(c: Case) -> Iterator[Claim]:
    """NaN, zeros, a constant factor, a reduction too many."""
    if not np.isfinite(c.a).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(c.A[0]))[0]) if not np.isfinite(c.A[0]).all() else ()
        yield Claim(0, "NOT_FINITE", "", f"{np.mean(~np.isfinite(c.a)):.0%} of the gradient is NaN or infinite (first at {first})")
        return
    if not c.a.any() and c.n.any():
        yield Claim(0, "ZERO", "", "the gradient is all zeros: nothing flows back here (detached, or never assigned)")
        return
    ratio = factor(c.a, c.n)
    if ratio is not None:
        for name in c.readings(ratio):
            yield Claim(1, "RATIO", name, f"the gradient is exactly {name} times the right one")
        if c.x.size > 1 or len(c.gs) > 1:
            yield Claim(1.5, "RATIO", "a number that depends on the shapes",
                        f"every entry is off by the same factor ({ratio:.6g} in one draw), which changes from draw to draw")
            yield Claim(1.4, "RATIO", f"{ratio:.6g}", f"every entry is off by the same factor, {ratio:.6g}")
    for axes in subsets(k for k in range(c.x.ndim) if c.x.shape[k] > 1):
        for reduce, word in ((np.sum, "sum"), (np.mean, "mean")):
            if c.is_([np.broadcast_to(reduce(n, axis=axes, keepdims=True), n.shape) for n in c.N]):
                yield Claim(3, "OVERSUMMED", f"{word} axis {axes}",
                            f"every entry along axes {axes} got the {word} over those axes: too much was reduced")


def loops(c: Case) -> Iterator[Claim]:
    """A as a weighted sum of what each slice of the output contributes: last only, first missing, …"""
    for axis, n in enumerate(c.d.y.shape):
        if not 2 <= n <= 24:
            continue
        columns = []
        for k in range(n):
            one = np.zeros(c.d.y.shape)
            one[(slice(None),) * axis + (k,)] = 1
            columns.append(np.concatenate([(g * one).ravel() @ c.J for g in c.gs]))
        w = weights(columns, c.a)
        pattern = w is not None and words_for(w)
        if not pattern:
            continue
        if pattern.startswith("weights") and not all(c.readings(v) for v in w):       # any numbers at all: another mistake
            continue
        label = c.labels[axis]
        text = {"last only": f"only the last {label} contributes: '=' where '+=' is needed in the loop over {label}",
                "first only": f"only the first {label} contributes (return or break inside the loop?)",
                "last missing": f"the last {label} is left out (loop bound one too small)",
                "first missing": f"the first {label} is left out (loop starts at 1?)",
                "some missing": f"some slices along {label} are left out: weights {np.round(w, 3).tolist()}"}
        yield Claim(11 if pattern.startswith("weights") else 6, "CONTRIB", f"{label}: {pattern}", text.get(
            pattern, f"slices along {label} are weighted {np.round(w, 4).tolist()} instead of 1"))


def words_for(w: np.ndarray) -> str | None:
    """Weights in words; None where all are equal, which is a constant factor."""
    n, first, last = len(w), np.eye(len(w))[0], np.eye(len(w))[-1]
    for pattern, word in ((last, "last only"), (first, "first only"), (1 - last, "last missing"), (1 - first, "first missing")):
        if (n > 2 or word.endswith("only")) and np.allclose(w, pattern, atol=1e-5):
            return word
    if np.allclose(w, w[0], atol=1e-5):
        return None
    if np.all((np.abs(w) < 1e-5) | (np.abs(w - 1) < 1e-5)):
        return "some missing"
    return "weights " + ",".join(f"{v:.3g}" for v in w)


def overwritten(c: Case) -> Iterator[Claim]:
    """'=' instead of '+=' in a scatter: each entry of x keeps its last (or first) contribution only."""
    nd = c.d.y.ndim
    if nd < 1 or c.J.size > 2e6:
        return
    J = c.J.reshape(c.d.y.shape + (c.x.size,))
    groups = {tuple(range(nd))} | {(k,) for k in range(nd)} | ({(nd - 2, nd - 1)} if nd >= 2 else set())
    for group in sorted(groups):
        rest = tuple(k for k in range(nd) if k not in group)
        reads = (np.abs(J) > 1e-9).any(axis=rest).reshape(-1, c.x.size)
        if reads.shape[0] < 2 or reads.sum(0).max() < 2:
            continue
        shares = [(g[..., None] * J).sum(axis=rest).reshape(-1, c.x.size) for g in c.gs]
        end = reads.shape[0] - 1
        for word, pick in (("last", end - np.argmax(reads[::-1], 0)), ("first", np.argmax(reads, 0)), ("last", np.full(c.x.size, end))):
            if c.is_([s[pick, np.arange(c.x.size)].reshape(c.x.shape) for s in shares]):
                label = c.along(group)
                yield Claim(7, "OVERWRITTEN", label, f"each entry of {c.name} keeps only the {word} of its contributions over "
                            f"({label}): '=' where '+=' is needed")


def diagonal(c: Case) -> Iterator[Claim]:
    """Only ∂y_i/∂x_i, or no local derivative at all."""
    J = c.J
    if J.shape[0] == J.shape[1] > 1 and fits([a.ravel() for a in c.A], [g.ravel() * np.diag(J) for g in c.gs]):
        yield Claim(7, "DIAGONAL", "", "only ∂y_i/∂x_i is used; the cross terms ∂y_j/∂x_i are missing")
    if c.d.y.shape == c.x.shape and c.is_(c.gs):
        yield Claim(3, "IDENTITY", "", "the incoming gradient is passed through unchanged: the local derivative is missing")
    if c.d.y.shape == c.x.shape and c.is_([np.maximum(g, 0) for g in c.gs]):
        yield Claim(3, "IDENTITY", "relu(dy)", "the mask is taken from the incoming gradient, not from the input of the forward pass")
