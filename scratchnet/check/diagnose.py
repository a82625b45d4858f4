"""From a wrong gradient to its name: claims that hold exactly, on every draw, for every random g.

A claim made on one draw is thrown away unless it is made again on all others, of other shapes.  Phases go
from cheap to costly; the first that leaves anything standing decides.  Nothing standing: UNKNOWN, and where.
"""
from __future__ import annotations

import re
import time
import warnings

import numpy as np

from .compare import Verdict
from .draw import Draw
from .findings import Finding
from .hypotheses import ANY_SHAPE, CHEAP, PHASES, Case, Claim
from .names import named_constants
from .numeric import Jacobian
from .variables import cause

SECONDS = 3.0                                   # of processor time, for one input
SHORT = re.compile(r"-?(1/)?\(?[\w.\[\]]+(\*[\w.\[\]]+)?\)?")     # -2, 1/B, 1/(B*D), but not (B-1)/B or 2/O


def diagnose(draws: list[tuple[Draw, Verdict]], name: str, seconds: float = SECONDS) -> Finding:
    """The finding for input `name`, wrong on each of these draws."""
    smooth = [(d, v) for d, v in draws if not v.kinks.any()]
    cases = [Case(d, name) for d, _ in (smooth or draws)]
    best = {}                                   # (code, detail) → its cheapest claim
    made: list[set] = [set() for _ in cases]
    end, standing, found = time.thread_time() + seconds, [], None
    for number, phase in enumerate(PHASES):
        if number == CHEAP:
            before = time.thread_time()
            found = cause([c.d for c in cases])
            end += time.thread_time() - before
        if found:
            break
        for case, keys in zip(cases, made):
            for claim in claims(case, phase, end):
                key = claim.code, claim.detail
                keys.add(key)
                if key not in best or claim.cost < best[key].cost:
                    best[key] = claim
        standing = sorted(set.intersection(*made), key=lambda k: (best[k].cost, len(k[1]), k))
        if any(best[k].cost < 50 for k in standing):
            break
    first = cases[0]
    wrong = np.ones(first.x.shape, bool)
    if first.A[0].shape == first.x.shape:
        wrong = np.any([~(np.abs(a - n) <= 1e-6 * np.abs(n).max(initial=1e-300)) for a, n in zip(first.A, first.N)], axis=0)
    evidence = dict(got=first.A[0], right=first.N[0], wrong=wrong, draws=len(cases))
    if found:
        return Finding(name, "VARIABLE", *found, **evidence)
    if not standing:
        partly = sorted({f"(one draw) {c}:{t}" for keys in made for c, t in keys})
        return Finding(name, "UNKNOWN", "", "the gradient is wrong, but not by one of the mistakes I know; " + places(wrong),
                       partly[:8], **evidence)
    code, detail = standing[0]
    text, others = best[standing[0]].text, [f"{c}:{t}" for c, t in standing[1:]]
    if code in ("RATIO", "TERMS") and len({tuple(np.shape(a) for a in c.d.inputs.values()) for c in cases}) == 1:
        same = [t for c, t in standing if c == code and not t.startswith("a number") and (code != "RATIO" or SHORT.fullmatch(t))]
        same = same[:1] if same[:1] == ["-1"] else same
        if len(same) > 1:
            detail = " or ".join(same[:4])
            text = text.replace(standing[0][1], detail) if standing[0][1] in text else f"{text} (or: {'; '.join(same[1:4])})"
            text += "; pass sample= (rng → arrays of varying shapes) to tell these apart"
    return Finding(name, code, detail, text, others, **evidence)


def claims(case: Case, phase: tuple, end: float) -> list[Claim]:
    found: list[Claim] = []
    fitting = case.A[0].shape == case.x.shape
    for hypothesis in phase:
        if (fitting or hypothesis in ANY_SHAPE) and time.thread_time() < end:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found += list(hypothesis(case))
                except (ValueError, IndexError, np.linalg.LinAlgError):        # arrays that do not go together: no such mistake
                    continue
        if any(c.code == "NOT_FINITE" for c in found):
            break
    return found


def places(wrong: np.ndarray) -> str:
    """Where, in words."""
    count = int(wrong.sum())
    return f"{'every entry differs' if count == wrong.size else f'{count} of {wrong.size} entries differ'} in a draw of shape {wrong.shape}"


def from_directions(draws: list[tuple[Draw, Verdict]], name: str) -> Finding:
    """For inputs too large to measure entry by entry: a constant factor shows along any direction."""
    rng, ratios = np.random.default_rng(1), []
    for d, _ in draws:
        x, f = d.inputs[name], d.function_of(name)
        for _ in range(3):
            v = rng.standard_normal(x.shape)
            J = Jacobian(lambda t: f(x + t * v), np.zeros(())).J[:, 0]
            for g, a in zip(d.gs, d.got[name]):
                measured, claimed = float(g.ravel() @ J), float(np.sum((0 if a is None else a) * v))
                ratios.append((claimed / measured if measured else np.inf, [n for n, c in named_constants(d.sizes)
                               if measured and abs(c - claimed / measured) < 1e-6 * abs(c)]))
    d, text = draws[0][0], f"{name} of shape {draws[0][0].inputs[name].shape} was checked along random directions"
    evidence = dict(got=d.got[name][0], draws=len(draws))
    names = [n for n in ratios[0][1] if all(n in common for _, common in ratios)]
    if all(abs(r) < 1e-9 for r, _ in ratios):
        return Finding(name, "ZERO", "", f"the gradient is all zeros: nothing flows back here ({text})", **evidence)
    if names:
        return Finding(name, "RATIO", " or ".join(names[:4]), f"the gradient is {' or '.join(names[:4])} times the right one ({text})",
                       **evidence)
    return Finding(name, "UNKNOWN", "", f"the gradient is wrong; {text}: pass a smaller one, or sample=, for a diagnosis entry by entry",
                   **evidence)
