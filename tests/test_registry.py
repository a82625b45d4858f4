"""Every op in the registry, checked at first and second order; an op that no table mentions fails here.

    G1 gradients, every entry      G5 nothing is changed or shared      the tables: op_cases.py (inputs),
    G2 three regimes of shapes     G6 kinks                             op_references.py (slow forwards),
    G3 linear in g                 G7 no state between calls            LINEAR in test_registry_linear.py,
    G4 adjoint identities          G10 forwards                         KNOWN and KINKS in test_known.py

G1, G2 and G10 are here, G3 and G4 in test_registry_linear.py, G5 and G7 in test_registry_calls.py, G6 in test_known.py.
"""
from __future__ import annotations

from itertools import product as product_of

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import ops
from scratchnet.op import Op
from scratchnet.ops import conv
from tests.conftest import KERNELS, for_all, size
from tests.op_cases import REGIMES, TABLE, Draw, cases, name_of, pair
from tests.op_references import REFERENCE
from tests.registry_tools import (as_tensors, assert_close, complex_step, each_function, each_regime, gradients, our_ops,
                                  richardson, upstream)
from tests.test_registry_linear import CURVED, LINEAR


# ---- the tables are complete --------------------------------------------------------------------

def public_functions() -> list:
    return [f for name, f in vars(ops).items() if name in vars(sn) and callable(f) and not isinstance(f, type)]


def test_every_op_has_cases():
    missing = [op.name for op in our_ops() if op not in TABLE]
    assert not missing, f"no cases in op_cases.py for: {missing}"


def test_every_public_function_has_cases():
    missing = [name_of(f) for f in public_functions() if f not in TABLE]
    assert len(public_functions()) > 40 and not missing, f"no cases in op_cases.py for: {missing}"


def test_every_op_has_a_reference_and_is_linear_or_not():
    assert {name_of(f) for f in TABLE if f not in REFERENCE} == set()
    assert {name_of(f) for f in TABLE if (f in LINEAR) == (f in CURVED)} == set()


def test_every_op_has_a_rule_for_every_input():
    missing = [f"{op.name}, {name}" for op in our_ops() for name in op.inputs if name not in op.rules]
    assert not missing


def test_every_op_says_what_it_computes():
    assert [op.name for op in our_ops() if not op.__doc__] == []


def test_an_op_without_cases_is_noticed(monkeypatch):
    def planted(x): return x
    planted.__module__ = "scratchnet.ops.planted"
    monkeypatch.setattr(Op, "registry", dict(Op.registry))
    sn.op(planted)
    with pytest.raises(AssertionError, match="planted"):
        test_every_op_has_cases()
    with pytest.raises(AssertionError, match="planted, x"):
        test_every_op_has_a_rule_for_every_input()


def test_G2_the_three_regimes_are_what_they_say():
    def check(lengths):
        assert len(set(lengths["distinct"])) == 5 and len(set(lengths["equal"])) == 1 and 1 in lengths["ones"]

    drawn = {regime: st.composite(lambda draw, r=regime: Draw(draw, r).lengths(5))() for regime in REGIMES}
    for_all(st.fixed_dictionaries(drawn), check, size(10, 200))


def settings_of(case) -> set:
    """What could hide a mistake if no case had it."""
    s = dict(case.settings)
    found = {"no bias"} if "w" in case.inputs and "b" not in case.inputs else {"bias"}
    for name in {"stride", "padding", "dilation", "output_padding"} & s.keys():
        found |= {(name, n) for n in pair(s[name])} | {(name, type(s[name]).__name__)}
    if case.function is sn.conv2d:
        x, w, y = case.inputs["x"].shape, case.inputs["w"].shape, case.call(case.arrays()).shape
        found |= {("padding", "k-1") for p, k in zip(pair(s["padding"]), w[2:]) if p == k - 1 > 0}
        found |= {"rest" for h, k, i, t, p, d in zip(x[2:], w[2:], y[2:], *map(pair, s.values()))
                  if (i - 1) * t + d * (k - 1) + 1 < h + 2 * p}
    return found


PAIRS = {("stride", n) for n in (1, 2, 3)} | {("padding", n) for n in (0, 1)} | {("stride", "tuple"), ("stride", "int")}
COVERED = {
    sn.conv2d: PAIRS | {("dilation", 1), ("dilation", 2), ("padding", "k-1"), "rest", "bias", "no bias"},
    conv.conv2d_transpose: PAIRS | {("dilation", 2), "bias", "no bias"},
    conv.conv2d_weight: PAIRS | {("dilation", 2)},
    sn.conv_transpose2d: PAIRS | {("dilation", 2), ("output_padding", 1), ("output_padding", 2), "bias", "no bias"},
    sn.max_pool2d: PAIRS | {("stride", None)}, sn.avg_pool2d: PAIRS | {("stride", None)},
}


@pytest.mark.parametrize("function", COVERED, ids=name_of)
def test_G2_the_cases_cover_the_settings(function):
    """G2: strides 1 to 3, paddings to k − 1, images that the stride does not divide, …"""
    found = set()
    for regime in REGIMES:
        for_all(cases(function, regime), lambda case: found.update(settings_of(case)), size(14, 67))
    assert COVERED[function] - found == set()


# ---- gradients, ours and measured ---------------------------------------------------------------

@each_regime
@each_function
def test_G1_G2_gradients(function, regime):
    """G1, G2: the gradient for every entry of every input, with both kernel sets."""
    def check(case):
        g = upstream(case)
        measured = complex_step(lambda xs: (g * case.call(xs)).sum(), case.arrays())
        for kernels in KERNELS:
            with sn.use_kernels(kernels):
                for ours, expected in zip(gradients(case, g), measured, strict=True):
                    assert_close(ours, expected, 1e-10, f"{kernels} kernels")

    for_all(cases(function, regime), check, size(4, 67))


@each_regime
@each_function
def test_G1_G2_gradients_of_gradients(function, regime):
    """s = Σ ⟨c, ∂⟨g, y⟩/∂x⟩ for fixed random c; its gradients for all x and for g."""
    def contracted(case, xs, c):
        *xs, g = xs
        first = sn.grad(case.call(xs), xs, g=g, create_graph=True)
        return sum((sn.Tensor(k) * d).sum() for k, d in zip(c, first))

    def check(case):
        rng = np.random.default_rng(1)
        arrays = case.arrays() + [upstream(case)]
        c = [rng.uniform(-1, 1, a.shape) for a in arrays[:-1]]

        def s(arrays):
            return contracted(case, as_tensors([np.asarray(a, complex) for a in arrays]), c).numpy()

        directions = [[rng.uniform(-1, 1, a.shape) for a in arrays]]            # one that moves all entries,
        for _ in range(size(5, 100)):                                           # and some that move a single one
            steps = [np.zeros(a.shape) for a in arrays]
            entries = [(step, i) for step in steps for i in np.ndindex(step.shape)]
            step, i = entries[rng.integers(len(entries))]
            step[i] = 1
            directions.append(steps)
        measured = [complex_step(s, arrays, v) for v in directions]
        for kernels in KERNELS:
            with sn.use_kernels(kernels):
                xs = as_tensors(arrays)
                second = sn.grad(contracted(case, xs, c), xs)
                second = [np.zeros(x.shape) if d is None else d.numpy() for x, d in zip(xs, second)]
                ours = [sum((d * v).sum() for d, v in zip(second, direction)) for direction in directions]
                assert_close(ours, measured, 1e-10, f"{kernels} kernels")

    for_all(cases(function, regime), check, size(4, 67))


@each_function
def test_G1_real_differences_measure_the_same(function):
    """The complex step trusts that a forward is the same function for complex numbers: check that too."""
    def check(case):
        g = upstream(case)
        for ours, expected in zip(gradients(case, g), richardson(lambda xs: (g * case.call(xs)).sum(), case.arrays())):
            assert_close(ours, expected, 1e-6)

    for_all(cases(function, "ones"), check, size(2, 30))


@each_function
def test_fast_rules_equal_the_plain_ones(function, kernels):
    """Whichever inputs want a gradient; a recorded backward runs the plain rules, this one the fast rule."""
    def check(case):
        g = upstream(case)
        xs = as_tensors(case.arrays())
        plain = [d.numpy() for d in sn.grad(case.call(xs), xs, g=g, create_graph=True)]
        for wanted in product_of([False, True], repeat=len(xs)):
            some = [sn.Tensor(a, requires_grad=want) for a, want in zip(case.arrays(), wanted)]
            if any(wanted):
                case.call(some).backward(g)
            for x, want, d in zip(some, wanted, plain):
                assert (x.grad is not None) == want
                if want:
                    assert_close(x.grad, d, 1e-12)

    for_all(cases(function, "distinct"), check, size(2, 30))


# ---- forwards -----------------------------------------------------------------------------------

@each_regime
@each_function
def test_G10_forward_equals_slow_loops(function, regime):
    """G10, with both kernel sets."""
    def check(case):
        expected = REFERENCE[function](**case.inputs, **case.settings)
        for kernels in KERNELS:
            with sn.use_kernels(kernels):
                assert_close(case.call(case.arrays()), expected, 1e-12, f"{kernels} kernels")

    for_all(cases(function, regime), check, size(4, 67))
