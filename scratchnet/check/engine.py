"""Functions of Tensors as subjects: the engine's own backward, at first and second order, on arrays."""
from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator, Sequence

import numpy as np

from ..autograd import grad
from ..layers import Layer
from ..ops import concatenate, mul, reshape, sum
from ..tensor import Tensor
from .subject import Subject, unpack


def is_float(a) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind in "fc"


def as_tensors(arrays: Sequence, requires_grad: bool = False) -> list:
    """Float arrays as Tensors, all of one dtype; integers and booleans (labels, masks) as they are."""
    dtype = np.complex128 if any(is_float(a) and a.dtype.kind == "c" for a in arrays) else np.float64
    return [Tensor(a.astype(dtype), requires_grad) if is_float(a) else a for a in arrays]


@contextmanager
def arranged(f: Callable) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    """(names, arrays) of f's parameters, if f is a layer; its state is put back afterwards."""
    if not isinstance(f, Layer):
        yield [], []
        return
    state, named = f.state(), list(f.named_parameters())
    dtypes = [(t, t.dtype) for _, t in f.named_arrays()]
    f.astype(np.float64)
    try:
        yield [name for name, _ in named], [p.data.copy() for _, p in named]
    finally:
        for t, dtype in dtypes:
            t.convert(dtype)
        f.load_state(state)


@contextmanager
def holding(parameters: list[Tensor], arrays: Sequence) -> Iterator[None]:
    """Inside, the parameters hold these arrays, complex ones as well."""
    before = [(p, p._array) for p in parameters]
    try:
        for p, a in zip(parameters, as_tensors(arrays)):
            p._array = a._array
        yield
    finally:
        for p, a in before:
            p._array = a


def results(f: Callable, xs: list):
    """What f returns, as a Tensor or a list of them."""
    y = f(*xs)
    several = list(y) if isinstance(y, (tuple, list)) else [y]
    for one in several:
        if not isinstance(one, Tensor):
            raise TypeError(f"check_grad: f returned a {type(one).__name__}, expected a Tensor: use sn.* functions")
    return several if isinstance(y, (tuple, list)) else y


def first_order(f: Callable, names: list[str]) -> Subject:
    """f by the engine; of a layer, the last inputs are its parameters."""
    parameters = f.parameters() if isinstance(f, Layer) else []

    def split(arrays):
        count = len(arrays) - len(parameters)
        some_complex = any(is_float(a) and a.dtype.kind == "c" for a in arrays)
        if some_complex:
            arrays = [a.astype(complex) if is_float(a) else a for a in arrays]
        return arrays[:count], arrays[count:]

    def value(*arrays):
        inputs, values = split(arrays)
        with holding(parameters, values):
            y = results(f, as_tensors(inputs))
        return [t.numpy() for t in y] if isinstance(y, list) else y.numpy()

    def gradients(g, *arrays):
        inputs, values = split(arrays)
        with holding(parameters, values):
            xs = as_tensors(inputs, requires_grad=True)
            y = results(f, xs)
            leaves = [x for x in xs if isinstance(x, Tensor)] + parameters
            found = None
            for one, upstream in zip(*((y, g) if isinstance(y, list) else ([y], [g]))):
                ds = [None if d is None else d.numpy() for d in grad(one, leaves, upstream, retain_graph=True)]
                found = ds if found is None else [a if b is None else b if a is None else a + b for a, b in zip(found, ds)]
            rest = iter(found)
        return [next(rest) if isinstance(x, Tensor) else None for x in xs] + list(rest)
    subject = Subject(value, gradients, names, records=True)
    subject.function, subject.parameters = f, parameters
    return subject


def tape(d) -> tuple[Callable, dict]:
    """() → (y, g) on Tensors, for one draw of a first-order subject, and the names of the leaves."""
    arrays, parameters, f = d.copies(), d.subject.parameters, d.subject.function
    count = len(arrays) - len(parameters)
    xs = as_tensors(arrays[:count], requires_grad=True)
    leaves = [x for x in xs if isinstance(x, Tensor)] + parameters
    names = [n for n, x in zip(d.inputs, xs) if isinstance(x, Tensor)] + list(d.inputs)[count:]

    def run():
        for p, a in zip(parameters, arrays[count:]):
            p.data = a
        y = results(f, xs)
        g = unpack(d.gs[-1], d.like)
        if not isinstance(y, list):
            return y, g
        return sum(mul(y[0], g[0])) if len(y) == 1 else sum(concatenate([reshape(mul(a, b), (-1,)) for a, b in zip(y, g)])), np.ones(())
    return run, {x._node: name for x, name in zip(leaves, names)}


def second_order(subject: Subject, draw: list, rng) -> Subject:
    """The same for a ↦ Σᵢ ⟨rᵢ, ∂⟨g, f⟩/∂aᵢ⟩ with random g and rᵢ: every second derivative takes part."""
    f, parameters = subject.function, subject.parameters
    y = subject.call(draw, {})
    like = y if isinstance(y, list) else [y]
    gs = [rng.standard_normal(np.shape(one)) for one in like]
    rs = [rng.standard_normal(a.shape) for a in draw if is_float(a)]

    def contracted(*xs):
        with_grad = [x if not isinstance(x, Tensor) or x.requires_grad else Tensor(x, requires_grad=True) for x in xs]
        out = results(f, with_grad)
        leaves = [x for x in with_grad if isinstance(x, Tensor)] + parameters
        dtype = leaves[0].dtype
        total = Tensor(np.zeros((), dtype))
        for one, g in zip(out if isinstance(out, list) else [out], gs):
            for d, r in zip(grad(one, leaves, g.astype(dtype), create_graph=True, retain_graph=True), rs):
                total = total if d is None else total + sum(mul(d, r.astype(dtype)))
        return total
    second = with_parameters(contracted, parameters, subject.names) if parameters else first_order(contracted, subject.names)
    second.noise = 1e-16 * max(float(np.abs(g * one).sum()) for g, one in zip(gs, like)) * max(np.abs(r).max(initial=0) for r in rs)
    return second


def with_parameters(f: Callable, parameters: list[Tensor], names: list[str]) -> Subject:
    class Whole(Layer):
        def __init__(self): self.held = parameters
        def forward(self, *xs): return f(*xs)
    return first_order(Whole(), names)
