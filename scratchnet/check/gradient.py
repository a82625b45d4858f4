"""check_grad and check_backward: is this gradient right, and if not, what is the mistake?

Both compare what a backward returns with measured slopes, for several random g = ∂L/∂y (never ones: mistakes
hide behind a plain sum), on several draws of different shapes, entry by entry where an input is small and along
random directions where it is large.  A gradient that is wrong goes to diagnose.py.
"""
from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np

from ..rng import generator
from ..tensor import Tensor
from . import engine, nodes, properties, repair
from .compare import Verdict, along_directions, compare, shared
from .diagnose import diagnose, from_directions
from .draw import Draw
from .findings import Finding, GradientError, Passed
from .numeric import scale_of
from .picture import picture
from .subject import Subject, pair, parameter_names

EVERY_ENTRY = 300                               # larger inputs are checked along random directions
DRAWS = 3
BESIDE_NUMBERS = {"MUTATES", "ALIAS", "PRECISION", "SHAPE", "STALE", "ACCUMULATES", "NONDETERMINISTIC", "RANDOM_FORWARD"}
CHANCE = {"ACCUMULATES", "NONDETERMINISTIC", "RANDOM_FORWARD", "STALE"}


def check_grad(f: Callable, *arrays: Any, sample: Callable | None = None, order: int = 1, rng=None, tol: float = 1e-6,
               at_kinks: str | None = None, plot: str | None = None, sizes: dict | None = None) -> Passed:
    """Check the gradients of f, a function of Tensors or a layer, at `arrays` or at three draws of sample(rng).

    order=2     checks the gradients of the gradients as well.
    at_kinks    "left" or "right": the one slope to count as right at a kink; by default any between the two is.
    plot        a file for the picture of what is wrong.
    Integer and boolean arrays are passed on as they are, as constants (labels, masks).
    Returns     the largest relative error, a float with .notes.

        ⟨∂L/∂x, v⟩ = d/dt ⟨g, f(x + t·v)⟩ at t = 0, measured; g = ∂L/∂y at random, v an entry of x or at random
    Shapes  arrays and f's result of any shape; a gradient has the shape of its array.
    Errors  GradientError, whose .findings name the mistakes.  TypeError: f does not return a Tensor; both or neither of
            arrays and sample; no array of floats, or a complex one.  ValueError: order neither 1 nor 2.
    Source  Squire & Trapp 1998, SIAM Review 40 (complex step); Ridders 1982 (differences), as numeric.py has them.
    """
    if order not in (1, 2):
        raise ValueError(f"check_grad: order is {order!r}, expected 1 or 2")
    if (sample is None) == (not arrays):
        raise TypeError("check_grad: pass the arrays to check at, or sample=, one of the two")
    rng = generator(0 if rng is None else rng)
    draws = drawn(sample if sample is not None else arrays, rng)
    with engine.arranged(f) as (names, parameters):
        names = parameter_names(f if not parameters else f.forward, len(draws[0])) + names
        draws = [d + [p.astype(float) for p in parameters] for d in draws]
        subject = engine.first_order(f, names)
        passed = check(lambda d: subject, draws, rng, tol, at_kinks, plot, sizes, by_node=True)
        if order == 2:
            second = check(lambda d: engine.second_order(subject, d, rng), draws, rng, tol, at_kinks, plot, sizes,
                           heading="at second order: ")
            passed = Passed(max(passed, second), passed.notes + second.notes)
    return passed


def check_backward(forward: Callable, backward: Callable, sample: Any, *, rng=None, tol: float = 1e-6,
                   at_kinks: str | None = None, plot: str | None = None, sizes: dict | None = None,
                   wrt: Sequence[str] | None = None) -> Passed:
    """Check a plain NumPy pair: y = forward(*arrays); backward(g, *arrays) gives one gradient per array.

    sample   a tuple of arrays, or a function rng → tuple (then three draws, best of different shapes).
    The gradients may come as a tuple, a list, a dict by name, or one array for one input; None stands for an
    integer input, which is a constant.  Forward runs before each backward, so backward may use what it kept.
    Returns what check_grad does.

        ⟨backward(g, x), v⟩ = d/dt ⟨g, forward(x + t·v)⟩ at t = 0, measured
    Shapes  arrays, and what forward returns, of any shape; g as y; a gradient has the shape of its array.
    Errors  GradientError as check_grad; an exception inside backward is a finding, too.  TypeError: an empty sample, no
            array of floats, or a complex one.
    Source  that of check_grad.
    """
    rng = generator(0 if rng is None else rng)
    draws = drawn(sample, rng)
    subject = pair(forward, backward, len(draws[0]))
    return check(lambda d: subject, draws, rng, tol, at_kinks, plot, sizes, wrt=wrt)


def drawn(sample, rng) -> list[list]:
    """The arrays of each draw: floats as float64, integers and booleans as they are."""
    draws = [list(sample(rng)) for _ in range(DRAWS)] if callable(sample) else [list(sample)]
    if not draws[0]:
        raise TypeError("the sample is empty: there is no input to check")
    return [as_float64(d) for d in draws]


def as_float64(arrays: Sequence) -> list:
    arrays = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) if isinstance(a, (list, float, np.floating)) else a
              for a in arrays]
    some_float = any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arrays)
    for i, a in enumerate(arrays):
        if isinstance(a, np.ndarray) and a.dtype.kind == "c":
            raise TypeError(f"input {i} is complex: gradients are checked for real inputs; split it into real and imaginary part")
        if isinstance(a, np.ndarray) and (a.dtype.kind == "f" or not some_float and a.dtype.kind in "iu"):
            arrays[i] = a.astype(np.float64)
        elif not some_float and isinstance(a, (int, np.integer)) and not isinstance(a, bool):
            arrays[i] = np.array(float(a))
    return arrays


def check(subject_of: Callable[[list], Subject], samples: list[list], rng, tol: float, at_kinks, plot, sizes,
          by_node: bool = False, heading: str = "", wrt: Sequence[str] | None = None) -> Passed:
    """Run the whole check; raise what was found."""
    draws = [Draw(subject_of(s), s, rng, sizes=sizes(*s) if callable(sizes) else sizes, wrt=wrt)
             for s in samples]
    if not draws[0].wrt:
        raise TypeError("the sample holds no array of floats: there is nothing to differentiate by")
    findings, notes, worst = properties.memory(draws), [], 0.0
    live = [d for d in draws if d.crash is None and d.count_is_right]
    crashed = [d for d in draws if d.crash is not None]
    if not live and not crashed:
        d = draws[0]
        findings.append(Finding("*", "SHAPE", f"{d.count} gradients for {len(d.inputs)} inputs", f"backward returned {d.count} gradients "
                                f"for {len(d.inputs)} inputs: one for each is expected, in their order"))
    states = properties.behaviour(live[0], rng) if live and not heading else []
    findings += states
    if not any(f.code in CHANCE for f in states):
        for name in live[0].wrt if live else ():
            error, finding, note = one_input(live, name, tol, at_kinks)
            findings += [finding] if finding else []
            notes += note
            worst = max(worst, error)
            if not finding:
                findings += properties.rounding(live[0], [name], {name: error})
        if live and live[0].right_all and not heading:
            remembered = properties.stale(live[0], rng)
            findings = remembered + (findings if not remembered else [f for f in findings if f.code != "UNKNOWN"])
    if crashed:
        findings.append(properties.crash(crashed, live))
    numbers = findings and not crashed and not any(f.code in BESIDE_NUMBERS for f in findings)
    if findings and by_node and not any(f.code in CHANCE for f in states):
        blamed = nodes.blame([engine.tape(d) for d in draws], rng, tol)
        if numbers and not blamed and beside(subject_of, samples, rng, tol):
            return Passed(worst if np.isfinite(worst) else 0.0, notes + [KINKS_MEET])
        findings = blamed or findings
    elif numbers and heading and beside(subject_of, samples, rng, tol):
        return Passed(0.0, notes + [KINKS_MEET])
    elif numbers and not at_kinks and beside(subject_of, samples, rng, tol) and all(shared(d, tol, rng) for d in draws):
        return Passed(0.0, notes + [KINKS_MEET])
    elif findings and live and not heading:
        findings = repair.repaired(live, findings)
    for f in findings:
        f.text = heading + f.text
    if findings:
        if plot is not None:
            picture(findings, plot)
        raise GradientError(findings)
    if draws[0].single:
        notes.append("forward computes in single precision: checked to 3 digits only; compute in float64 for a sharp check")
    return Passed(worst, notes)


KINKS_MEET = "several kinks meet at these inputs: there the chain rule of right rules need not give a slope; beside them it does"


def beside(subject_of: Callable, samples: list[list], rng, tol: float) -> bool:
    """Whether all is right at inputs near by, where no two entries are equal and none is 0."""
    def moved(a):
        if not (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
            return a
        return a + 0.01 * scale_of(a) * rng.uniform(0.1, 1, a.shape) * rng.choice([-1, 1], a.shape)
    try:
        for s in samples:
            s = [moved(a) for a in s]
            d = Draw(subject_of(s), s, rng)
            if d.crash or not d.count_is_right or any(verdict(d, name, tol).wrong.any() for name in d.wrt):
                return False
    except Exception:                           # inputs that may not be moved
        return False
    return True


def verdict(d: Draw, name: str, tol: float, at_kinks: str | None = None) -> Verdict:
    """Entry by entry where the input is small, along random directions where it is large."""
    if d.inputs[name].size <= EVERY_ENTRY:
        return compare(d, name, tol, at_kinks)
    return along_directions(d, name, tol, np.random.default_rng(0))


def one_input(draws: list[Draw], name: str, tol: float, at_kinks) -> tuple[float, Finding | None, list[str]]:
    """(error, finding or None, notes) for one input over all draws."""
    wrong: list[tuple[Draw, Verdict]] = []
    worst, notes = 0.0, []
    for d in draws:
        got, x = d.got[name], d.inputs[name]
        if got[0] is not None and got[0].shape != x.shape:
            d.right_all = False
            wrong.append((d, Verdict(np.inf, np.ones(x.shape, bool), np.zeros(x.shape, bool))))
            continue
        v = verdict(d, name, tol, at_kinks)
        d.right_all &= not v.wrong.any()
        worst = max(worst, v.error)
        if v.kinks.any():
            notes.append(f"{name}: {int(v.kinks.sum())} of {x.size} entries are at a kink, where any slope between those of the two "
                         "sides is right")
        if v.wrong.any():
            wrong.append((d, v))
    if not wrong:
        return worst, None, notes
    if all(got is None for d, _ in wrong for got in d.got[name]):
        return np.inf, Finding(name, "NO_GRAD", "", f"backward returns no gradient for {name}, and the output does depend on it"), notes
    if all(v.outside for _, v in wrong):
        return worst, at_a_kink(wrong, name, at_kinks), notes
    small = [(d, v) for d, v in wrong if d.affordable(name)]
    finding = diagnose(small, name) if small else from_directions(wrong, name)
    return worst, finding, notes


def at_a_kink(wrong: list[tuple[Draw, Verdict]], name: str, convention) -> Finding:
    """Right wherever there is a derivative, wrong where there are only two sides."""
    d, v = wrong[0]
    if v.together:
        return Finding(name, "KINK", "together", f"at ties of {name} each entry's gradient could be right, but not all of them: moved "
                       "together they change the output once, so they share its gradient", got=d.got[name][0],
                       right=d.right(name)[0], wrong=v.wrong)
    e = int(np.flatnonzero(v.wrong.ravel())[0])
    g = d.gs[0].ravel()
    left, right = (float(g @ s) for s in d.jacobian(name).mend(e))
    got, low, high = d.got[name][0].flat[e], min(left, right), max(left, right)
    near = 1e-4 * (1 + abs(left) + abs(right))
    detail = ("right" if abs(got - right) < near else "left" if abs(got - left) < near else "between" if low < got < high else "outside")
    side = f"the convention asked for is the slope from the {convention}" if convention else \
        f"any value in [{low:.4g}, {high:.4g}] would be right"
    return Finding(name, "KINK", detail, f"exactly at a kink of {name} the gradient is {got:.4g}; {side} ({'> or >=?' if convention else ''}"
                   f"{'the rest is right' if not convention else ''})", got=d.got[name][0], right=d.right(name)[0], wrong=v.wrong)
