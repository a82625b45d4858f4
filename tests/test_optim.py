"""Optimisers: the first steps by hand, ten steps against a loop over Python numbers, and against PyTorch."""
from __future__ import annotations

import copy
from math import sqrt

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.optim import SGD, Adam, AdamW, Optimiser, RMSProp, one_cycle, warm_up
from tests.conftest import size

# ---- one entry of a parameter, step by step: update(θ, g, memory, t) -> θ ------------------------


def sgd(p, g, m, t, lr, momentum=0.0, nesterov=False):
    m["v"] = momentum * m.get("v", 0.0) + g
    return p - lr * (g + momentum * m["v"] if nesterov else m["v"])


def rmsprop(p, g, m, t, lr=1e-3, decay=0.9, eps=1e-8):
    m["s"] = decay * m.get("s", 0.0) + (1 - decay) * g**2
    return p - lr * g / (sqrt(m["s"]) + eps)


def adam(p, g, m, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    m["m"] = betas[0] * m.get("m", 0.0) + (1 - betas[0]) * g
    m["v"] = betas[1] * m.get("v", 0.0) + (1 - betas[1]) * g**2
    return p - lr * (m["m"] / (1 - betas[0]**t)) / (sqrt(m["v"] / (1 - betas[1]**t)) + eps)


def adamw(p, g, m, t, lr=1e-3, weight_decay=0.01, **settings):
    return adam(p - lr * weight_decay * p, g, m, t, lr, **settings)


CASES = [                                       # optimiser, its settings, the loop, PyTorch's name and settings
    (SGD, {"lr": 0.1}, sgd, "SGD", {}),
    (SGD, {"lr": 0.1, "momentum": 0.9}, sgd, "SGD", {}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, sgd, "SGD", {}),
    (RMSProp, {"lr": 0.01}, rmsprop, "RMSprop", {"alpha": 0.9}),
    (RMSProp, {"lr": 0.01, "decay": 0.5, "eps": 0.1}, rmsprop, "RMSprop", {"alpha": 0.5}),
    (Adam, {}, adam, "Adam", {}),
    (Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.01}, adam, "Adam", {}),
    (AdamW, {"lr": 0.1}, adamw, "AdamW", {}),
    (AdamW, {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.5}, adamw, "AdamW", {}),
]
each_case = pytest.mark.parametrize("make, settings, loop, torch_name, torch_settings", CASES,
                                    ids=[f"{row[0].__name__}-{i}" for i, row in enumerate(CASES)])
each_optimiser = pytest.mark.parametrize("make, settings", [row[:2] for row in CASES],
                                         ids=[f"{row[0].__name__}-{i}" for i, row in enumerate(CASES)])


def start(dtype=np.float64):
    """Two parameters, and ten gradients for each, of very different sizes; some entries exactly 0."""
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(s).astype(dtype) for s in ((3, 2), (4,))]
    grads = [[(rng.standard_normal(p.shape) * 10.0 ** rng.integers(-4, 3, p.shape)).astype(dtype) for p in params]
             for _ in range(size(5, 100))]
    grads[0][1][2] = 0
    return params, grads


def steps(make, settings, params, grads):
    """The parameters after all steps, as arrays."""
    params = [sn.Tensor(p, requires_grad=True) for p in params]
    optimiser = make(params, **settings)
    for several in grads:
        for p, g in zip(params, several):
            p.grad = g
        optimiser.step()
    return [p.numpy() for p in params]


def test_every_optimiser_has_a_case():
    def below(c):
        return {c}.union(*(below(s) for s in c.__subclasses__()))
    ours = {c for c in below(Optimiser) - {Optimiser} if c.__module__.startswith("scratchnet.")}
    assert ours == {row[0] for row in CASES}


@each_case
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_ten_steps_equal_the_loop(make, settings, loop, torch_name, torch_settings, dtype, rtol):
    params, grads = start(dtype)
    for k, ours in enumerate(steps(make, settings, params, grads)):
        assert ours.dtype == dtype
        for i in np.ndindex(ours.shape):
            p, memory = float(params[k][i]), {}
            for t, several in enumerate(grads, 1):
                p = loop(p, float(several[k][i]), memory, t, **settings)
            assert ours[i] == pytest.approx(p, rel=rtol, abs=rtol)


@each_case
def test_ten_steps_equal_pytorch(make, settings, loop, torch_name, torch_settings):
    torch = pytest.importorskip("torch")
    params, grads = start()
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    all_settings = {k: v for k, v in {**settings, **torch_settings}.items() if k != "decay"}      # alpha there
    optimiser = getattr(torch.optim, torch_name)(theirs, **all_settings)
    for several in grads:
        for p, g in zip(theirs, several):
            p.grad = torch.tensor(g)
        optimiser.step()
    for ours, p in zip(steps(make, settings, params, grads), theirs):
        np.testing.assert_allclose(ours, p.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make, settings, grads, expected", [
    (SGD, {"lr": 0.5}, [2, 4], [9, 7]),
    (SGD, {"lr": 0.5, "momentum": 0.5}, [2, 4], [9, 6.5]),                      # v = 2, 5
    (SGD, {"lr": 0.5, "momentum": 0.5, "nesterov": True}, [2, 4], [8.5, 5.25]),                 # g + v/2 = 3, 6.5
    (RMSProp, {"lr": 0.5, "decay": 0.75, "eps": 0}, [4, 4], [9, 10 - 1 - 0.5 / sqrt(1 - 0.75**2)]),     # s = 4, 7
    (Adam, {"lr": 0.5, "eps": 0}, [3, 3], [9.5, 9]),                            # m̂ / √v̂ = sign of a constant g
    (AdamW, {"lr": 0.5, "eps": 0, "weight_decay": 0.1}, [3, 3], [9, 8.05]),     # 10·0.95 − 0.5, 9·0.95 − 0.5
])
def test_two_steps_by_hand(make, settings, grads, expected):
    p = sn.Tensor(np.array([10.0]), requires_grad=True)
    optimiser = make([p], **settings)
    for g, value in zip(grads, expected):
        p.grad = np.array([g], float)
        optimiser.step()
        assert p.item() == pytest.approx(value, rel=1e-14)


@each_optimiser
def test_zero_gradients_move_nothing_but_decay(make, settings):
    params, _ = start()
    moved = steps(make, settings, params, [[np.zeros_like(p) for p in params]] * 3)
    for p, new in zip(params, moved):
        decay = 1 - settings.get("lr", 1e-3) * settings.get("weight_decay", 0.01) if make is AdamW else 1
        np.testing.assert_allclose(new, p * decay**3, rtol=1e-14)


@each_optimiser
def test_a_parameter_without_gradient_is_left_alone(make, settings):
    p, q = (sn.Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    optimiser = make([p, q], **settings)
    before = {k: a.copy() for k, a in optimiser.state().items()}
    p.grad = np.ones(2)
    optimiser.step()
    assert np.array_equal(q.numpy(), [1, 1]) and not np.array_equal(p.numpy(), [1, 1])
    assert all(np.array_equal(a, before[k]) for k, a in optimiser.state().items() if k.endswith(".1"))
    assert np.array_equal(p.grad, [1, 1])       # step leaves gradients; zero_grad forgets them
    optimiser.zero_grad()
    assert p.grad is None and q.grad is None


@each_optimiser
def test_it_finds_the_lowest_point(make, settings):
    target = np.array([3.0, -2.0])
    p = sn.Tensor(np.zeros(2), requires_grad=True)
    optimiser = make([p], **{**settings, "lr": 0.05, **({"weight_decay": 0.0} if make is AdamW else {})})
    for _ in range(500):
        optimiser.zero_grad()
        ((p - target) ** 2.0).sum().backward()
        optimiser.step()
    np.testing.assert_allclose(p.numpy(), target, atol=0.1)


# ---- state --------------------------------------------------------------------------------------

@each_optimiser
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_state_continues_bit_by_bit(make, settings, dtype):
    params, grads = start(dtype)
    expected = steps(make, settings, params, grads)
    half = len(grads) // 2
    first = [sn.Tensor(p, requires_grad=True) for p in params]
    optimiser = make(first, **settings)
    for several in grads[:half]:
        for p, g in zip(first, several):
            p.grad = g
        optimiser.step()
    saved, values = copy.deepcopy(optimiser.state()), [p.numpy().copy() for p in first]

    second = [sn.Tensor(p, requires_grad=True) for p in values]
    other = make(second, **{**settings, "lr": 123.0})
    other.load_state(saved)
    for several in grads[half:]:
        for p, g in zip(second, several):
            p.grad = g
        other.step()
    assert [p.numpy().tobytes() for p in second] == [p.tobytes() for p in expected]


@each_optimiser
def test_a_state_is_a_copy(make, settings):
    """What was saved does not go on changing with the optimiser, nor the optimiser with what it loaded."""
    p = sn.Tensor(np.ones(2), requires_grad=True)
    optimiser = make([p], **settings)
    p.grad = np.ones(2)
    optimiser.step()
    state = optimiser.state()
    before = {k: a.tobytes() for k, a in state.items()}
    optimiser.step()
    assert {k: a.tobytes() for k, a in state.items()} == before
    optimiser.load_state(state)
    for a in state.values():
        a += 100
    assert {k: a.tobytes() for k, a in optimiser.state().items()} == before


def test_states_of_others_are_refused():
    def params(*shapes, dtype=np.float32):
        return [sn.Tensor(np.zeros(s, dtype), requires_grad=True) for s in shapes]
    optimiser = Adam(params((2, 3)))
    for other, pattern in [(SGD(params((2, 3)), 0.1), r"Adam.load_state: .*another.*: missing \[.*'m.0'\], not expected"),
                           (Adam(params((2, 3), (3,))), r"missing nothing, not expected \['m.1', 'v.1'\]"),
                           (Adam(params((3, 2))), r"'m.0' is float32 \(3, 2\), but .* needs float32 \(2, 3\)"),
                           (Adam(params((2, 3), dtype=np.float64)),
                            r"'m.0' is float64 \(2, 3\), but .* needs float32 \(2, 3\)")]:
        before = optimiser.state()
        with pytest.raises(ValueError, match=pattern):
            optimiser.load_state(other.state())
        assert all(np.array_equal(a, before[k]) for k, a in optimiser.state().items())


def test_a_step_is_seen_by_graphs_that_need_the_old_numbers():
    p = sn.Tensor(np.ones(2), requires_grad=True)
    y = (p * p).sum()
    p.grad = np.ones(2)
    SGD([p], 0.1).step()
    with pytest.raises(RuntimeError, match="mul at .*changed in place"):
        y.backward()


def test_one_cycle_goes_up_and_comes_down_to_zero():
    rates = [one_cycle(step, 100, peak=0.5) for step in range(100)]
    assert max(rates) == rates[24] == 0.5 and rates[-1] == pytest.approx(0, abs=1e-15) and min(rates) >= 0
    assert rates[0] == pytest.approx(0.5 / 25, rel=0.15)
    assert sorted(rates[:25]) == rates[:25] and sorted(rates[24:], reverse=True) == rates[24:]


# ---- errors -------------------------------------------------------------------------------------

def param():
    return sn.Tensor(np.ones(2), requires_grad=True)


@pytest.mark.parametrize("call, exception, pattern", [
    (lambda: SGD([], 0.1), ValueError, r"SGD: no parameters to optimise; pass model.parameters\(\)"),
    (lambda: SGD([np.ones(2)], 0.1), TypeError, r"SGD: params\[0\] must be a Tensor with requires_grad=True, got"),
    (lambda: SGD([param(), sn.Tensor([1.0])], 0.1), TypeError, r"SGD: params\[1\] must be a Tensor with requires_grad"),
    (lambda: Adam([param()] * 2), ValueError, "Adam: a parameter is listed twice"),
    (lambda: SGD([param()], 0), ValueError, "SGD: lr is 0, expected a positive step size"),
    (lambda: Adam([param()], -1e-3), ValueError, "Adam: lr is -0.001, expected a positive"),
    (lambda: AdamW([param()], float("nan")), ValueError, "AdamW: lr is nan, expected a positive"),
    (lambda: SGD([param()], 0.1, momentum=1.0), ValueError, r"SGD: momentum is 1.0, expected a number in \[0, 1\)"),
    (lambda: SGD([param()], 0.1, nesterov=True), ValueError, "SGD: nesterov needs momentum > 0"),
    (lambda: RMSProp([param()], decay=-0.1), ValueError, r"RMSProp: decay is -0.1, expected a number in \[0, 1\)"),
    (lambda: Adam([param()], betas=(0.9, 1.0)), ValueError, "Adam: beta2 is 1.0, expected a number in"),
    (lambda: AdamW([param()], betas=(-0.5, 0.9)), ValueError, "AdamW: beta1 is -0.5, expected a number in"),
])
def test_errors(call, exception, pattern):
    with pytest.raises(exception, match=pattern):
        call()


def test_an_optimiser_without_update_says_so():
    p = param()
    p.grad = np.ones(2)
    with pytest.raises(TypeError, match=r"Optimiser must define update\(p, g"):
        Optimiser([p], 0.1).step()


# ---- schedules ----------------------------------------------------------------------------------

def test_warm_up_is_a_straight_line_and_then_flat():
    assert [warm_up(t, 4, 2.0) for t in range(6)] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]


def test_one_cycle_rises_to_the_peak_in_a_quarter_and_ends_at_zero():
    rates = [one_cycle(t, 400, 1.0) for t in range(400)]
    assert np.argmax(rates) in (98, 99, 100) and max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[0] == pytest.approx(1 / 25, abs=0.01) and rates[-1] == pytest.approx(0, abs=1e-4)
    assert all(a < b for a, b in zip(rates[:98], rates[1:99])) and all(a > b for a, b in zip(rates[101:], rates[102:]))
