"""What one comparison of numbers cannot show: memory, chance, and what is left from earlier calls.

    MUTATES   ALIAS   PRECISION   ACCUMULATES   NONDETERMINISTIC   RANDOM_FORWARD   STALE   NONLINEAR
"""
from __future__ import annotations

import numpy as np

from .draw import Draw
from .findings import Finding
from .numeric import sides
from .subject import Crash


def memory(draws: list[Draw]) -> list[Finding]:
    """Arrays written into, shared, or of another precision."""
    found, mutated = [], set().union(*(d.mutated for d in draws))
    if "dy" in mutated:
        found.append(Finding("*", "MUTATES", "dy", "backward changes the incoming gradient in place; the caller still needs it: "
                                                   "work on a copy"))
    inputs = sorted(mutated - {"dy"})
    if inputs:
        found.append(Finding("*", "MUTATES", "inputs", f"{', '.join(inputs)} is changed in place: an input belongs to the caller, "
                                                       "work on a copy"))
    for a, b in sorted(set().union(*(d.aliases for d in draws))):
        found.append(Finding(a, "ALIAS", f"{a},{b}", f"the gradients of {a} and {b} are the same memory: a later '+=' into one "
                                                     "changes both; return a copy"))
    for name, dtype in draws[0].dtypes.items():
        if dtype != np.float64 and not draws[0].single and dtype.kind in "fiub":
            found.append(Finding(name, "PRECISION", str(dtype), f"the gradient has dtype {dtype}, {name} has float64: somewhere "
                                                                "in backward digits are thrown away"))
    return found


def rounding(d: Draw, names: list[str], errors: dict[str, float]) -> list[Finding]:
    """float64 all over, but the numbers agree to single precision only: float32 arithmetic inside backward."""
    found = []
    for name in names:
        values = d.got[name]                    # for every random g: numbers that cancelled to few digits get all of theirs back
        if values[0] is not None and values[0].size and d.dtypes[name] == np.float64 and 1e-9 < errors[name] < 3e-6:
            if all(np.array_equal(v.astype(np.float32).astype(float), v) for v in values):
                found.append(Finding(name, "PRECISION", "float32 inside", f"the gradient of {name} is right to 7 digits only: every "
                                     "number in it fits in float32, so backward computes in single precision"))
    return found


def behaviour(d: Draw, rng) -> list[Finding]:
    """The same call again, g = 0, and a call with other inputs in between."""
    try:
        a, b = (np.asarray(d.subject.value(d.copies()), float) for _ in range(2))
        if not np.array_equal(a, b, equal_nan=True):
            return [Finding("*", "RANDOM_FORWARD", "", "forward is random: the same inputs give two different outputs; draw the noise "
                                                       "outside and pass it in, or seed it, before checking")]
        first, again = run(d, d.gs[0]), run(d, d.gs[0])
        return [] if same(first, again) else [repeated(d, first, again)]
    except Crash:
        return []


def repeated(d: Draw, first: dict, again: dict) -> Finding:
    """Two equal calls, two results: a buffer that still holds the last one, or chance."""
    before = {n: d.got[n][0] for n in d.wrt}
    grown = [n for n in d.wrt if all(v[n] is not None and np.shape(v[n]) == np.shape(first[n]) for v in (again, before))
             and first[n] is not None and np.any(before[n]) and proportional(again[n] - first[n], before[n])
             and not np.allclose(again[n], first[n], rtol=1e-9)]
    if grown:
        return Finding(",".join(grown), "ACCUMULATES", "", f"called again, backward returns more than before for {', '.join(grown)}: "
                       "a buffer is not reset between calls")
    return Finding("*", "NONDETERMINISTIC", "", "the same call to backward twice gives two different gradients: it draws noise of its "
                   "own, or reads memory that it never set; keep what forward drew")


def proportional(a, b) -> bool:
    """Whether the second call added just the gradient itself."""
    return np.allclose(a, b, rtol=1e-7, atol=1e-10 * np.abs(b).max(initial=0))


def stale(d: Draw, rng) -> list[Finding]:
    """d is right; now at inputs near by, along one direction: backward must read this forward's values, not d's."""
    try:
        here = run(d, d.gs[0])
        return compare_there(d, rng, here)
    except Exception:                           # other inputs may make no sense to the forward
        return []


def compare_there(d: Draw, rng, here: dict) -> list[Finding]:
    moved = {n: a * (1 - 0.1 * rng.uniform(0.5, 1, a.shape)) if n in d.wrt else a for n, a in d.inputs.items()}
    values = [a.copy() if isinstance(a, np.ndarray) else a for a in moved.values()]
    there = d.by_name(d.subject.gradients(d.gs[0].copy(), values, d.like))
    back = run(d, d.gs[0])
    if not same(here, back):
        return [STALE]
    if any(there[n] is None or np.shape(there[n]) != moved[n].shape for n in d.wrt):
        return []
    v = {n: rng.uniform(0.5, 1, moved[n].shape) * moved[n] for n in d.wrt}        # steps in proportion: signs stay

    for along in (d.wrt, *([n] for n in d.wrt)):               # all inputs together; then which of them did not follow
        if not fits_there(d, moved, {n: v[n] for n in along}, there):
            claimed, old = (sum(float(np.sum(grads[n] * v[n])) for n in along) for grads in (there, here))
            if abs(claimed - old) <= 1e-9 * max(abs(old), 1e-9):
                return [STALE]
        elif along is d.wrt:
            return []
    return []


def fits_there(d: Draw, moved: dict, v: dict, there: dict) -> bool:
    """Is the slope along v, at the moved inputs, what `there` claims, as far as it can be measured?"""
    def y(t):
        return np.asarray(d.subject.value([a + t * v[n] if n in v else a for n, a in moved.items()]), float)
    with np.errstate(all="ignore"):
        left, right = (s * d.gs[0] for s in sides(y, np.zeros(()), np.ones(()))[:2])
    claimed = sum(float(np.sum(there[n] * v[n])) for n in v)
    low, high = np.minimum(left, right).sum(), np.maximum(left, right).sum()
    slack = 1e-4 * (np.abs(left).sum() + np.abs(right).sum()) + 1e-8 * float(np.abs(d.gs[0] * y(0.0)).sum()) + 1e-9
    return not np.isfinite([low, high, claimed]).all() or low - slack <= claimed <= high + slack


STALE = Finding("*", "STALE", "", "backward uses values cached by an earlier forward call: with other inputs in between, its "
                                  "gradients belong to the wrong ones")


def crash(crashed: list[Draw], live: list[Draw]) -> Finding:
    """Backward raised: always, or for some shapes or settings only, and which."""
    error = crashed[0].crash.error
    what = f"{type(error).__name__}: {error}{crashed[0].crash.where}"
    if not live:
        return Finding("*", "CRASH", type(error).__name__, f"backward raised {what}")
    why = only_when(crashed, live)
    shapes = ", ".join(f"{n} {np.shape(v)}" for n, v in crashed[0].inputs.items())
    return Finding("*", "CRASH_SHAPES", why or type(error).__name__,
                   f"backward fails only when {why}: {what}" if why else f"backward works for some shapes only; for {shapes} it raised {what}")


def only_when(crashed: list[Draw], live: list[Draw]) -> str | None:
    """A property that all draws that raised have, and no other."""
    def facts(d: Draw) -> set[str]:
        found = set()
        for name, v in {**d.inputs, **d.subject.settings}.items():
            if isinstance(v, (int, np.integer)):
                found |= {f"{name} > {k}" for k in (1, 0) if v > k}
            elif isinstance(v, np.ndarray) and v.ndim >= 2:
                found |= {text for text, holds in ((f"{name} is not square", v.shape[-1] != v.shape[-2]),
                                                   (f"{name} has different axes 0 and 1", v.shape[0] != v.shape[1])) if holds}
        return found
    common = set.intersection(*map(facts, crashed)) - set().union(*map(facts, live))
    return min(common, key=lambda t: (len(t), t)) if common else None


def run(d: Draw, g) -> dict:
    result = d.by_name(d.subject.gradients(g.copy(), d.copies(), d.like))
    return {n: None if v is None else np.array(v, float) for n, v in result.items()}


def same(a: dict, b: dict) -> bool:
    return all((a[n] is None) == (b[n] is None) and (a[n] is None or a[n].shape == b[n].shape and np.allclose(
        a[n], b[n], rtol=1e-9, atol=1e-12, equal_nan=True)) for n in a)
