"""The engine's passes: sums in .grad (E6), where gradients stop (E7), sn.grad."""
from __future__ import annotations

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, LeakyReLU, Sequential
from scratchnet.op import Op
from tests.test_engine import leaf


# ---- E6: passes and sums ------------------------------------------------------------------------

def test_E6_gradients_add_up_until_zeroed():
    x = leaf(2.0)
    for times in (1, 2, 3):
        (x * x).backward()
        assert x.grad == 4 * times
    x.grad = None
    (x * x).backward()
    assert x.grad == 4


def test_E6_retain_graph_allows_a_second_pass():
    x = leaf(2.0)
    y = x ** 3.0
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == 24


@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: sn.concatenate([a, b]),
                               lambda a, b: sn.stack([a.reshape(2, 1), b.reshape(2, 1)]), lambda a, b: a + (a + b)])
def test_E6_no_grad_array_aliases_another(f):
    a, b, g = leaf(1.0, 2), leaf(3.0, 4), np.ones(2)
    y = f(a, b)
    y.backward(np.ones(y.shape))
    before = b.grad.copy()
    a.grad += 100
    assert np.array_equal(b.grad, before) and np.array_equal(g, [1, 1])


def test_E6_two_losses_through_one_graph():
    x = leaf(2.0)
    h = x * 3.0
    (h * h).backward(retain_graph=True)         # 36
    (h + 1.0).backward()                        # 3
    assert x.grad == 39


def test_E6_backward_takes_g():
    x = leaf(1.0, 2.0)
    (x * x).backward(np.array([10.0, 100]))
    assert np.array_equal(x.grad, [20, 400])


# ---- E7: where gradients stop -------------------------------------------------------------------

def test_E7_no_grad_records_nothing():
    x = leaf(2.0)
    with sn.no_grad():
        y = x * x
        with sn.no_grad():
            pass
        assert not (x * x).requires_grad        # leaving the inner block does not end the outer one
    assert not y.requires_grad and y._node is None and (x * x).requires_grad


def test_E7_no_grad_ends_with_an_error():
    with pytest.raises(KeyError), sn.no_grad():
        raise KeyError
    assert (leaf(1.0) * 2.0).requires_grad


def test_E7_detach_is_a_constant():
    x = leaf(3.0)
    (x * x.detach()).backward()
    assert x.grad == 3
    assert not x.detach().requires_grad


def test_E7_constants_cost_nothing():
    x, c = leaf(3.0), sn.Tensor([2.0])
    y = c.detach() * sn.Tensor([5.0])
    assert y._node is None
    ran = [step.name for step in sn.backward_steps(x * sn.Tensor([2.0], requires_grad=False).numpy().astype(float))]
    assert ran == ["a"]                         # no rule runs for an input that needs no gradient


def test_E7_discriminator_step_leaves_the_generator_alone():
    rng = np.random.default_rng(0)
    G, D = Dense(2, 3, rng=rng), Sequential(Dense(3, 4, rng=rng), LeakyReLU(), Dense(4, 1, rng=rng))
    z, real = rng.standard_normal((5, 2)).astype(np.float32), rng.standard_normal((5, 3)).astype(np.float32)
    fake = G(sn.Tensor(z)).detach()
    ones, zeros = np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32)
    (sn.bce_with_logits(D(sn.Tensor(real)), ones) + sn.bce_with_logits(D(fake), zeros)).backward()
    assert all(p.grad is None for p in G.parameters()) and all(p.grad is not None for p in D.parameters())
    D.zero_grad()
    sn.bce_with_logits(D(G(sn.Tensor(z))), ones).backward()
    assert all(p.grad.any() for p in G.parameters())


# ---- sn.grad ------------------------------------------------------------------------------------

def test_grad_shapes_of_the_answer():
    x, w, unused = leaf(1.0, 2), leaf(3.0, 4), leaf(5.0)
    h = x * w
    y = (h * h).sum()
    one = sn.grad(y, x, retain_graph=True)
    assert isinstance(one, sn.Tensor) and np.array_equal(one.numpy(), [18, 64])
    several = sn.grad(y, [h, unused, w, x, h], retain_graph=True)
    assert isinstance(several, list) and several[1] is None
    assert [d.numpy().tolist() for d in several if d is not None] == [[6, 16], [6, 32], [18, 64], [6, 16]]
    assert sn.grad(y, (x,))[0].shape == (2,)
    assert x.grad is w.grad is None


def test_grad_of_a_constant_and_of_itself():
    x = leaf(2.0)
    assert sn.grad(sn.Tensor([1.0]), x) is None
    assert sn.grad(x, x).item() == 1
    y = x * 3.0
    assert sn.grad(y, y).item() == 1


def test_grad_runs_only_rules_on_the_way():
    ran, x, w = [], leaf(2.0), leaf(5.0)
    with sn.replaced(sn.mul, "b", lambda g, a, b_shape: ran.append("b") or g * a):
        y = x * w
        sn.grad(y, x)
        assert ran == []
        sn.grad(x * w, w)
        assert ran == ["b"]


@pytest.mark.parametrize("order", range(1, 6))
def test_every_order_of_derivative(order):
    x = leaf(0.5)
    d = sn.exp(2.0 * x)
    for _ in range(order):
        d = sn.grad(d, x, create_graph=True)
    np.testing.assert_allclose(d.numpy(), [2**order * np.e], rtol=1e-14)


def test_gradient_penalty_against_a_hand_computed_one():
    """p = (|∂D/∂x| − 1)² for D = w·x² : |∂D/∂x| = 2wx, ∂p/∂w = 2 (2wx − 1) 2x."""
    w, x = leaf(3.0), leaf(0.5)
    slope = sn.grad(w * x * x, x, create_graph=True)
    penalty = (sn.sqrt(slope * slope) - 1.0) ** 2.0
    penalty.backward()
    np.testing.assert_allclose(w.grad, [2 * (2 * 3 * 0.5 - 1) * 2 * 0.5], rtol=1e-14)


def test_a_detached_gradient_is_a_constant():
    x = leaf(3.0)
    d = sn.grad(x * x, x).detach()
    (d * x).backward()
    assert x.grad == 6


def test_E6_a_leafs_gradient_is_its_own():
    """Uncopied where one of our rules made it; copied where it is g, a view of it, or what a user's rule may write to again."""
    a, b = (sn.Tensor(np.ones((2, 3)), requires_grad=True) for _ in range(2))
    g = np.full((2, 3), 2.0)
    (a + b).backward(g)                         # both rules pass g on
    a.grad[...] = 7
    assert (g == 2).all() and (b.grad == 2).all()
    b.grad = None
    b.reshape(3, 2).backward(g.reshape(3, 2))
    b.grad[...] = 7
    assert (g == 2).all()
    kept = np.empty((2, 3))

    @sn.op
    def doubled_for_test(x): return 2 * x
    @doubled_for_test.vjp("x")
    def _(g): return np.multiply(2, g, out=kept)
    try:
        for x in (a, b):
            x.grad = None
            doubled_for_test(x).backward(g * (1 if x is a else 10))
        assert (a.grad == 4).all() and (b.grad == 40).all()
    finally:
        del Op.registry[__name__, "doubled_for_test"]
    for x in (a, b):
        x.grad = None
    (a * b).sum().backward()
    a.grad += 1                                 # ours, and nobody else's
    assert (b.grad == 1).all() and (b.numpy() == 1).all()


def test_E6_the_upstream_of_a_recorded_pass_is_a_copy():
    """A graph would be wrong if the caller's array changed; without one there is nothing to protect, and nothing is copied."""
    x, g = sn.Tensor(np.array([3.0]), requires_grad=True), np.array([2.0])
    d = sn.grad(x * x, x, g, create_graph=True)
    g[...] = 100
    assert d.item() == 12 and sn.grad(d, x).item() == 4
