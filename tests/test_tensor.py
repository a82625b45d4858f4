"""Tensors: threads, copies, seeds, and what a Tensor lets one do with its array."""
from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import BatchNorm, Dense, ReLU, Sequential
from tests.conftest import size


# ---- threads, copies, seeds ---------------------------------------------------------------------

def train(seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    model = Sequential(Dense(4, 16, rng=rng), ReLU(), sn.layers.Dropout(0.25, rng=rng), Dense(16, 3, rng=rng))
    optimiser = sn.optim.Adam(model.parameters(), lr=0.01)
    for step in range(size(10, 200)):
        x, labels = rng.standard_normal((8, 4)).astype(np.float32), rng.integers(0, 3, 8)
        with sn.no_grad():
            model(sn.Tensor(x))                 # no_grad in one thread must not reach another
        optimiser.zero_grad()
        sn.cross_entropy(model(sn.Tensor(x)), labels).backward()
        optimiser.step()
    return [p.numpy().tobytes() for p in model.parameters()]


def test_X3_threads_train_as_if_alone():
    """X3: four models in four threads, each with its own generator: the same bits as one after the other."""
    expected = [train(seed) for seed in range(4)]
    found = [None] * 4

    def work(seed):
        found[seed] = train(seed)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == expected


def test_deepcopy_of_a_model_shares_nothing():
    model = Sequential(Dense(2, 3, rng=0), BatchNorm(3), Dense(3, 1, rng=1))
    twin = copy.deepcopy(model)
    x = sn.Tensor(np.ones((4, 2), np.float32))
    twin(x).sum().backward()
    assert all(p.grad is None for p in model.parameters()) and all(p.grad is not None for p in twin.parameters())
    twin.parameters()[0].overwriting()[...] = 0
    assert model.parameters()[0].numpy().any()
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]


def test_seed_repeats_every_default_draw():
    def draw():
        return [Dense(3, 2).w.numpy().tobytes(), sn.layers.Dropout(0.5)(sn.Tensor(np.ones(50))).numpy().tobytes()]
    sn.seed(7)
    first, state = draw(), np.random.get_state()[1].tobytes()
    assert draw() != first
    sn.seed(7)
    assert draw() == first
    assert np.random.get_state()[1].tobytes() == state         # NumPy's own generator is left alone


def test_rng_takes_a_generator_or_a_seed():
    by_seed = Dense(3, 2, rng=5).w.numpy()
    assert np.array_equal(by_seed, Dense(3, 2, rng=np.random.default_rng(5)).w.numpy())
    with pytest.raises(TypeError, match="rng.*Generator.*integer seed.*got 'x'"):
        Dense(3, 2, rng="x")


# ---- Tensor -------------------------------------------------------------------------------------

@pytest.mark.parametrize("value, dtype", [
    ([1, 2], np.float32), (3, np.float32), (2.5, np.float32), ([True], np.float32), (np.arange(3), np.float32),
    (np.ones(2, np.float32), np.float32), (np.ones(2), np.float64), (np.float64(1), np.float64),
    (np.ones(2, complex), np.complex128), (np.ones(2, np.uint8), np.float32)])
def test_dtypes(value, dtype):
    t = sn.Tensor(value)
    assert t.dtype == dtype and t.shape == np.shape(value)
    assert (t * 2).dtype == (1 - t).dtype == (t + True).dtype == dtype          # Python numbers adapt
    assert sn.Tensor(t).dtype == dtype


def test_operators_are_the_ops():
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    x, y = sn.Tensor(a), sn.Tensor(b)
    pairs = [(x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x ** y, a ** b), (x @ y, a @ b), (-x, -a),
             (abs(-x), a), (3 + x, 3 + a), (3 - x, 3 - a), (3 * x, 3 * a), (3 / x, 3 / a), (2 ** x, 2 ** a),
             (a + y, a + b), (a - y, a - b), (a * y, a * b), (a / y, a / b), (a @ y, a @ b), (a ** y, a ** b), (x.T, a.T),
             (x.sum(), a.sum()), (x.sum(axis=0), a.sum(0)), (x.mean(1, True), a.mean(1, keepdims=True)),
             (x.max(0), a.max(0)), (x.reshape(4), a.reshape(4)), (x.reshape(1, -1), a.reshape(1, -1)),
             (x.reshape((4, 1)), a.reshape(4, 1)), (x.transpose(), a.T), (x.transpose(1, 0), a.T),
             (x.transpose((0, 1)), a), (x @ [1.0, 2], a @ [1, 2]), ([1, 2] @ x, [1, 2] @ a), (x + [1, 2], a + [1, 2]),
             (x[0], a[0]), (x[:, 1], a[:, 1]), (x[a > 2], a[a > 2])]
    for ours, expected in pairs:
        assert isinstance(ours, sn.Tensor) and np.array_equal(ours.numpy(), expected)
    for ours, expected in [(x < y, a < b), (x <= y, a <= b), (x > 2, a > 2), (x >= y, a >= b), (x == y, a == b),
                           (x != y, a != b)]:
        assert isinstance(ours, np.ndarray) and np.array_equal(ours, expected)


def test_small_things_of_a_tensor():
    t = sn.Tensor([[1, 2, 3]], requires_grad=True)
    assert (t.shape, t.ndim, t.size, len(t), t.requires_grad) == ((1, 3), 2, 3, 1, True)
    assert repr(t) == "Tensor([[1., 2., 3.]], dtype=float32, requires_grad=True)"
    assert t.sum().item() == 6.0 == float(t.sum()) and bool(t.sum()) and {t: 1}[t] == 1
    assert sn.Tensor(5.0).shape == () and not t.detach().requires_grad
    t.requires_grad = False
    assert not (t * 2).requires_grad
    t.requires_grad = True
    (t * 2).sum().backward()
    assert np.array_equal(t.grad, [[2, 2, 2]])
    t.grad = np.zeros((1, 3))
    assert t.grad.dtype == np.float32
