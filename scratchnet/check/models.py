"""check_model: every parameter's gradient in a table, and three questions about a model that no single op answers."""
from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable, Iterator, NamedTuple

import numpy as np
from tqdm import tqdm

from .. import rng as chance
from ..kernel import use_kernels
from ..layers import Layer
from ..optim import Adam
from ..tensor import Tensor
from . import engine, nodes
from .compare import along_directions, compare
from .draw import Draw
from .findings import Finding, GradientError
from .numeric import scale_of
from .subject import Subject

EVERY_ENTRY, DIRECTIONS = 40, 3


class Row(NamedTuple):
    """One parameter: how it was checked, the largest relative error, the verdict in words."""
    parameter: str
    shape: tuple
    checked: str
    error: float
    verdict: str


@dataclass
class ModelReport:
    """What check_model found.  rows: one per parameter; verdicts: name → sentence for the questions asked."""
    rows: list[Row]
    verdicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.findings and all(v.startswith("yes") for v in self.verdicts.values())

    def __str__(self):
        width = max(len(r.parameter) for r in self.rows)
        lines = [f"{r.parameter:<{width}}  {str(r.shape):<18} {r.checked:<14} {r.error:8.0e}  {r.verdict}" for r in self.rows]
        lines += [f"{name}: {verdict}" for name, verdict in self.verdicts.items()] + self.notes
        return "\n".join(lines + [str(f) for f in self.findings])


def check_model(model: Layer, loss: Callable, batch, *, overfits: bool = False, chance_loss: float | None = None,
                both_kernels: bool = True, rng=None, tol: float = 1e-6, stop: bool = True) -> ModelReport:
    """Check every parameter's gradient of loss(model, *batch), node by node where one is wrong.

    batch         one array or a tuple of them; a few items are enough.
    loss          called as loss(model, *batch), returns one number as a Tensor.  Whatever it draws from the default
                  generator is drawn alike each time.
    overfits      also train a copy of the parameters on five items: "does it learn them by heart?"
    chance_loss   also compare the untrained loss with this, such as log(10) for ten classes.
    both_kernels  also compare the losses of the NumPy and the Numba kernels.
    The model is put back as it was.

        ⟨∂L/∂θ, v⟩ = d/dt L(θ + t·v) at t = 0, measured, for every parameter θ; v an entry of θ or at random
    Shapes  batch as loss takes it; L one number; a gradient has the shape of its parameter.
    Errors  GradientError, with .report: a gradient is wrong and stop.  TypeError: the loss is not a Tensor of one number.
    Source  that of check_grad.
    """
    batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    seed = int(np.random.default_rng(0 if rng is None else rng).integers(2 ** 31))
    arrays = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in batch]
    report = ModelReport([])
    if both_kernels:
        report.verdicts["same loss on both kernel sets"] = kernels_agree(model, loss, arrays, seed)
    if chance_loss is not None:
        report.verdicts["loss at chance"] = at_chance(model, loss, arrays, seed, chance_loss)
    with engine.arranged(model) as (names, values):
        check_parameters(report, model, loss, arrays, names, [v.astype(float) for v in values], seed, tol)
    if overfits:
        report.verdicts["overfits five samples"] = learns_by_heart(model, loss, arrays, seed)
    if report.findings and stop:
        error = GradientError(report.findings)
        error.report = report
        raise error
    return report


@contextmanager
def same_draws(seed: int) -> Iterator[None]:
    """Inside, the default generator starts from `seed`; outside it is where it was."""
    before = chance._default
    chance._default = np.random.default_rng(seed)
    try:
        yield
    finally:
        chance._default = before


def value_of(model: Layer, loss: Callable, arrays: list, seed: int) -> Tensor:
    with same_draws(seed):
        y = loss(model, *arrays)
    if not isinstance(y, Tensor) or y.size != 1:
        raise TypeError(f"check_model: loss(model, *batch) returned {'shape ' + str(y.shape) if isinstance(y, Tensor) else type(y).__name__}, "
                        "expected one number as a Tensor")
    return y


def check_parameters(report: ModelReport, model, loss, arrays, names, values, seed: int, tol: float) -> None:
    """One row each; where one is wrong, the tape is gone through node by node."""
    parameters = model.parameters()
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]

    def whole(*changed):
        with engine.holding(parameters, changed):
            some_complex = any(a.dtype.kind == "c" for a in changed)
            data = [a.astype(complex) if some_complex and a.dtype.kind == "f" else a for a in arrays]
            return value_of(model, loss, data, seed).numpy()

    def gradients(g, *_):
        for p, v in zip(parameters, values):
            p.data = v
        found = engine.grad(value_of(model, loss, arrays, seed), parameters, np.asarray(g))
        return [None if d is None else d.numpy() for d in found]
    generator = np.random.default_rng(seed)
    d = Draw(Subject(whole, gradients, names, invoke=lambda f, a, _: f(*a)), values, generator)
    wrong = []
    bar = tqdm(names, desc="parameters", unit=" checked", disable=None if sys.stderr.isatty() else True)
    for name, p in zip(bar, parameters):
        if d.crash is not None:
            report.rows.append(Row(name, p.shape, "", np.inf, "backward raised"))
            wrong.append(name)
            continue
        small = p.size <= EVERY_ENTRY and d.affordable(name)
        v = compare(d, name, tol) if small else along_directions(d, name, tol, generator, DIRECTIONS)
        missing = d.got[name][0] is None
        verdict = "no gradient reaches it" if missing else "WRONG" if v.wrong.any() else "right, some at kinks" if v.kinks.any() else "right"
        report.rows.append(Row(name, p.shape, "every entry" if small else f"{DIRECTIONS} directions", v.error, verdict))
        wrong += [name] if v.wrong.any() else []
        if missing and not v.wrong.any():
            report.notes.append(f"{name} is never reached: the loss does not depend on it")
    if wrong:
        def run():
            for p, v in zip(parameters, values):
                p.data = v
            return value_of(model, loss, arrays, seed), np.ones(())
        report.findings = nodes.blame([(run, {p._node: n for p, n in zip(parameters, names)})], generator, tol)
        if not report.findings and d.crash is None:
            values[:] = [v + 0.01 * scale_of(v) * generator.uniform(0.1, 1, v.shape) for v in values]
            beside = Draw(d.subject, values, generator)
            if not any(along_directions(beside, n, tol, generator, DIRECTIONS).wrong.any() for n in wrong):
                report.rows = [r._replace(verdict="right beside kinks that meet") if r.parameter in wrong else r for r in report.rows]
                return
        report.findings = report.findings or [
            Finding(n, "UNKNOWN", "", "the gradient is wrong, though every rule on the tape is right: part of the loss was computed "
                    "outside the graph (.numpy(), .detach(), a buffer)") for n in wrong]


def kernels_agree(model, loss, arrays, seed: int) -> str:
    losses = []
    for kernels in ("numpy", "numba"):
        with use_kernels(kernels), kept(model):
            losses.append(value_of(model, loss, arrays, seed).item())
    a, b = losses
    same = abs(a - b) <= 1e-4 * max(abs(a), abs(b), 1e-6)
    return f"{'yes' if same else 'no'}: {a:.6g} with NumPy, {b:.6g} with Numba"


def at_chance(model, loss, arrays, seed: int, expected: float) -> str:
    with kept(model):
        value = value_of(model, loss, arrays, seed).item()
    far = abs(value - expected) > 0.25 * abs(expected)
    return (f"no: {value:.4g} before training, expected about {expected:.4g}: first weights too large, or a sum where a mean should be"
            if far else f"yes: {value:.4g}, expected about {expected:.4g}")


def learns_by_heart(model, loss, arrays, seed: int, steps: int = 300) -> str:
    """Five samples can be learned by heart by every model that learns at all."""
    few = [a[:5] for a in arrays]
    with kept(model):
        optimiser, first = Adam(model.parameters(), lr=3e-3), value_of(model, loss, few, seed).item()
        for _ in tqdm(range(steps), desc="overfitting", disable=None if sys.stderr.isatty() else True):
            optimiser.zero_grad()
            value_of(model, loss, few, seed).backward()
            optimiser.step()
        last = value_of(model, loss, few, seed).item()
    well = last < 0.5 * first if first > 0 else last < first
    return f"{'yes' if well else 'no'}: the loss on five samples went from {first:.4g} to {last:.4g} in {steps} steps"


@contextmanager
def kept(model: Layer) -> Iterator[None]:
    """Parameters, buffers and gradients are put back at the end."""
    state, grads = model.state(), [(p, p.grad) for p in model.parameters()]
    try:
        yield
    finally:
        model.load_state(state)
        for p, g in grads:
            p.grad = g
