"""Every op in the registry, checked at first and second order; an op that no table mentions fails here.

    G1 gradients, every entry      G5 nothing is changed or shared      the tables: op_cases.py (inputs),
    G2 three regimes of shapes     G6 kinks                             op_references.py (slow forwards),
    G3 linear in g                 G7 no state between calls            LINEAR, KNOWN and KINKS below
    G4 adjoint identities          G10 forwards

Derivatives are measured with the complex step: f(x + ih) = f(x) + ih·f'(x) − …, so imag f(x + ih)/h is
f'(x) to the last digit, because nothing is subtracted (Squire & Trapp 1998, SIAM Review 40).
"""
from __future__ import annotations

import importlib
import pkgutil
from itertools import product as product_of

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import models, ops
from scratchnet.op import Op
from scratchnet.ops import broadcast, conv, conv_relu, elementwise, pool, shape
from scratchnet.ops.matmul import product
from tests.conftest import KERNELS, for_all, size
from tests.op_cases import REGIMES, TABLE, Draw, cases, name_of, pair
from tests.op_references import REFERENCE

FUNCTIONS = sorted(TABLE, key=name_of)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
each_regime = pytest.mark.parametrize("regime", REGIMES)

# Inputs in which an op is linear, the others held: ⟨g, y⟩ = Σ ⟨x, ∂/∂x⟩ over each group.
LINEAR = {
    sn.add: ["ab"], sn.sub: ["ab"], sn.mul: ["a", "b"], sn.div: ["a"], elementwise.select: ["ab"], sn.where: ["ab"],
    sn.neg: ["x"], sn.broadcast_to: ["x"], broadcast.sum_to: ["x"], sn.reshape: ["x"], sn.transpose: ["x"],
    sn.pad: ["x"], shape.crop: ["x"], sn.getitem: ["x"], shape.scatter_add: ["g"], sn.sum: ["x"], sn.mean: ["x"],
    sn.concatenate: [["xs"]], sn.stack: [["xs"]], product: ["a", "b"], sn.matmul: ["a", "b"],
    sn.dense: ["xb", "wb"], sn.conv2d: ["xb", "wb"], conv.conv2d_transpose: ["gb", "wb"],
    conv.conv2d_weight: ["x", "g"], sn.conv_transpose2d: ["xb", "wb"], sn.avg_pool2d: ["x"],
    pool.avg_pool2d_transpose: ["g"], pool.take: ["x"],
    pool.put: ["g"], sn.normalize: [["gamma", "beta"]],
}
# ops with kinks or ties are linear too wherever no kink is crossed: ⟨g, y⟩ = ⟨x, dx⟩ holds for them as well
LINEAR.update({f: ["x"] for f in (sn.abs, sn.relu, sn.leaky_relu, sn.max, sn.max_pool2d)})
LINEAR.update({f: ["ab"] for f in (sn.maximum, sn.minimum)})
LINEAR.update({conv_relu.conv2d_relu: ["xb", "wb"], conv_relu.conv2d_transpose_relu: ["gb", "wb"]})
CURVED = {sn.power, sn.exp, sn.log, sn.sqrt, sn.tanh, sn.sigmoid, sn.softplus, sn.clip, sn.var, sn.logsumexp,
          sn.softmax, sn.log_softmax, sn.mse, sn.bce_with_logits, sn.cross_entropy, sn.gaussian_kl}


# ---- the tables are complete --------------------------------------------------------------------

for _package in (ops, models):                  # so that every op is in the registry
    for _module in pkgutil.iter_modules(_package.__path__, _package.__name__ + "."):
        importlib.import_module(_module.name)


def our_ops() -> list[Op]:
    return [op for (module, _), op in Op.registry.items() if module.startswith("scratchnet.")]


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
    for_all(st.fixed_dictionaries(drawn), check, size(20, 200))


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
        for_all(cases(function, regime), lambda case: found.update(settings_of(case)), size(20, 67))
    assert COVERED[function] - found == set()


# ---- gradients, ours and measured ---------------------------------------------------------------

def upstream(case, rng=None) -> np.ndarray:
    """A random g in the shape of the output."""
    y = case.call(case.arrays())
    return (rng or np.random.default_rng(0)).uniform(-1, 1, np.shape(y)).astype(y.dtype)


def as_tensors(arrays) -> list[sn.Tensor]:
    return [sn.Tensor(a, requires_grad=True) for a in arrays]


def gradients(case, g, dtype=np.float64) -> list[np.ndarray]:
    """∂⟨g, y⟩/∂x for every input, by the engine."""
    xs = as_tensors([a.astype(dtype) for a in case.arrays()])
    return [d.numpy() for d in sn.grad(case.call(xs), xs, g=g.astype(dtype))]


def complex_step(f, arrays, direction=None, h=1e-30):
    """∂f/∂arrays for a number f(arrays): entry by entry, or along one direction only."""
    def slope(steps):
        return f([a + 1j * h * v for a, v in zip(arrays, steps)]).imag / h
    if direction is not None:
        return slope(direction)
    found = [np.zeros(a.shape) for a in arrays]
    steps = [np.zeros(a.shape) for a in arrays]
    for step, d in zip(steps, found):
        for i in np.ndindex(step.shape):
            step[i] = 1.0
            d[i] = slope(steps)
            step[i] = 0.0
    return found


def richardson(f, arrays, h=1e-3):
    """The same from real differences: D(h) = (f(x+h) − f(x−h)) / 2h, and (4 D(h/2) − D(h)) / 3."""
    found = [np.zeros(a.shape) for a in arrays]
    for number, d in enumerate(found):
        for i in np.ndindex(d.shape):
            def value(step):
                moved = [a.copy() for a in arrays]
                moved[number][i] += step
                return f(moved)
            D = [(value(k) - value(-k)) / (2 * k) for k in (h, h / 2)]
            d[i] = (4 * D[1] - D[0]) / 3
    return found


def assert_close(ours, expected, rtol, what=""):
    """All entries within rtol of the largest."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape, f"{what}: shape {ours.shape}, expected {expected.shape}"
    scale = max(1.0, np.abs(expected).max(initial=0))
    far = np.argwhere(~(np.abs(ours - expected) <= rtol * scale))               # NaN is far from everything
    if len(far):
        i = tuple(far[0])
        raise AssertionError(f"{what}: {len(far)} of {ours.size} entries differ, at {i} {ours[i]}, expected {expected[i]}")


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

    for_all(cases(function, regime), check, size(12, 67))


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
        for _ in range(size(12, 100)):                                          # and some that move a single one
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

    for_all(cases(function, regime), check, size(8, 67))


@each_function
def test_G1_real_differences_measure_the_same(function):
    """The complex step trusts that a forward is the same function for complex numbers: check that too."""
    def check(case):
        g = upstream(case)
        for ours, expected in zip(gradients(case, g), richardson(lambda xs: (g * case.call(xs)).sum(), case.arrays())):
            assert_close(ours, expected, 1e-6)

    for_all(cases(function, "ones"), check, size(3, 30))


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

    for_all(cases(function, "distinct"), check, size(3, 30))


@each_function
def test_G3_gradients_are_linear_in_g(function):
    """G3: B(0) = 0 and B(a·u + b·v) = a·B(u) + b·B(v)."""
    def check(case):
        u, v = upstream(case, np.random.default_rng(2)), upstream(case, np.random.default_rng(3))
        zero, mixed, u, v = (gradients(case, g) for g in (0 * u, 0.75 * u - 2 * v, u, v))
        assert all(not d.any() for d in zero)
        for m, du, dv in zip(mixed, u, v):
            assert_close(m, 0.75 * du - 2 * dv, 1e-12)

    for_all(cases(function, "distinct"), check, size(5, 50))
    for_all(cases(function, "ones"), check, size(5, 50))


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("function", sorted(LINEAR, key=name_of), ids=name_of)
def test_G4_adjoint_identity(function, dtype, rtol, kernels):
    """G4: ⟨g, y⟩ = Σ ⟨x, ∂⟨g, y⟩/∂x⟩ over inputs in which y is linear; no differences, so rounding only."""
    def check(case):
        g = upstream(case).astype(dtype)
        gy = (g * case.call([a.astype(dtype) for a in case.arrays()])).astype(np.float64)
        names = [k for k, v in case.inputs.items() for _ in (v if isinstance(v, list) else [v])]
        ds = gradients(case, g, dtype)
        for group in LINEAR[function]:
            xdx = [(x * d).ravel() for name, x, d in zip(names, case.arrays(), ds) if name in group]
            xdx = np.concatenate(xdx)
            scale = max(1.0, np.abs(gy).sum(), np.abs(xdx).sum())
            assert abs(gy.sum() - xdx.sum()) <= rtol * scale, f"inputs {group}: {gy.sum()} and {xdx.sum()}"

    for regime in REGIMES:
        for_all(cases(function, regime), check, size(6, 170))


# ---- what a gradient must not do ----------------------------------------------------------------

@each_function
def test_G5_nothing_is_changed_and_nothing_is_shared(function, kernels):
    """G5: inputs and g keep their bits; gradients have the inputs' shape and dtype and their own memory."""
    def check(case):
        arrays, g = case.arrays(), upstream(case)
        before = [a.tobytes() for a in arrays + [g]]
        settings = repr(case.settings)
        xs = as_tensors(arrays)
        y = case.call(xs)
        value = y.numpy().copy()
        y.backward(g)
        assert [a.tobytes() for a in arrays + [g]] == before and repr(case.settings) == settings
        assert [x.numpy().tobytes() for x in xs] == before[:-1] and np.array_equal(y.numpy(), value)
        grads = [x.grad for x in xs]
        assert [(d.shape, d.dtype) for d in grads] == [(a.shape, a.dtype) for a in arrays]
        theirs = [g, y.numpy(), *(x.numpy() for x in xs)]
        for i, d in enumerate(grads):
            assert isinstance(d, np.ndarray) and not any(np.may_share_memory(d, a) for a in theirs + grads[:i])
        assert all(not np.may_share_memory(x.numpy(), a) for x, a in zip(xs, arrays))
        found = gradients(case, g)              # by sn.grad
        assert all(not np.may_share_memory(d, a) for i, d in enumerate(found) for a in [g, *found[:i]])

    for_all(cases(function, "distinct"), check, size(4, 50))
    for_all(cases(function, "equal"), check, size(4, 50))


@each_function
def test_G7_calls_do_not_remember_each_other(function, kernels):
    """G7: the same call gives the same bits; another forward in between changes nothing; .grad adds up."""
    def check(pair):
        one, other = pair
        g = upstream(one)
        first = [d.tobytes() for d in gradients(one, g)]
        xs, others = as_tensors(one.arrays()), as_tensors(other.arrays())
        y, z = one.call(xs), other.call(others)
        z.backward(upstream(other))
        y.backward(g)
        assert [x.grad.tobytes() for x in xs] == first
        one.call(xs).backward(g)
        assert all(np.array_equal(x.grad, 2 * d) for x, d in zip(xs, gradients(one, g)))
        kept = [x.grad.tobytes() for x in xs]
        sn.grad(one.call(xs), xs, g=g)
        assert [x.grad.tobytes() for x in xs] == kept              # sn.grad leaves .grad alone

    drawn = cases(function, "distinct")
    for_all(drawn.flatmap(lambda one: drawn.map(lambda other: (one, other))), check, size(3, 50))


@each_function
def test_float32(function, kernels):
    """float32 in, float32 out and back; the numbers are those of float64 up to float32's rounding."""
    def check(case):
        g = upstream(case).astype(np.float32)
        xs = as_tensors([a.astype(np.float32) for a in case.arrays()])
        y = case.call(xs)
        y.backward(g)
        assert [t.dtype for t in [y, *xs]] + [x.grad.dtype for x in xs] == [np.float32] * (1 + 2 * len(xs))
        assert_close(y.numpy(), case.call(case.arrays()), 1e-5)
        for x, d in zip(xs, gradients(case, g)):
            assert_close(x.grad, d, 1e-4)

    for_all(cases(function, "distinct"), check, size(4, 50))


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

    for_all(cases(function, regime), check, size(12, 67))
