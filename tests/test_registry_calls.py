"""What a call of an op must not do: change or share arrays (G5), remember (G7), leave float32."""
from __future__ import annotations

import numpy as np

import scratchnet as sn
from tests.conftest import for_all, size
from tests.op_cases import cases
from tests.registry_tools import as_tensors, assert_close, each_function, gradients, upstream


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

    for_all(cases(function, "distinct"), check, size(2, 50))
    for_all(cases(function, "equal"), check, size(2, 50))


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
    for_all(drawn.flatmap(lambda one: drawn.map(lambda other: (one, other))), check, size(2, 50))


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

    for_all(cases(function, "distinct"), check, size(2, 50))
