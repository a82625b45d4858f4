"""The checker accuses no correct code: all ops, at the places where a careless check would.

On kinks and ties and 1e-9 to 1e-6 beside them, exp near its overflow, logits of a thousand, numbers of size 1e-8 and
1e8, axes of length 1 and 0, indices named twice.  Our rules are right at all of them (test_registry.py, test_known.py).
"""
from __future__ import annotations

import warnings
from collections import Counter
from typing import Callable

import numpy as np
import pytest
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet.ops import broadcast, elementwise, pool, shape
from tests.conftest import for_all, size
from tests.op_cases import REGIMES, TABLE, Case, cases, name_of

PLACES: dict[str, dict[Callable, Callable]] = {"plain": dict.fromkeys(TABLE, lambda rng, case: case)}


def place(name: str, *functions):
    """Register how an op's drawn case is moved to a difficult place."""
    def register(move):
        PLACES.setdefault(name, {}).update((f, move) for f in functions)
        return move
    return register


def moved(case, **inputs):
    """The case with other arrays for some inputs."""
    return case._replace(inputs={**case.inputs, **inputs})


def near(rng, shape, values, spacing=1):
    """Each entry at one of the values, or 1e-9 to 1e-6 beside it; one in four of them well away (spacing)."""
    offset = rng.choice([0, 0, 1, -1], shape) * 10 ** rng.uniform(-9, -6, shape)
    away = (rng.random(shape) < 0.25) * rng.uniform(-spacing, spacing, shape)
    return np.asarray(rng.choice(values, shape) + np.where(away != 0, away, offset))


# ---- on kinks and ties, and beside them -----------------------------------------------------------------

@place("kinks", sn.relu, sn.abs, sn.leaky_relu)
def _(rng, case): return moved(case, x=near(rng, case.inputs["x"].shape, [0.0]))


@place("kinks", sn.clip)
def _(rng, case):
    bounds = [v for v in case.settings.values() if v is not None]
    return moved(case, x=near(rng, case.inputs["x"].shape, bounds))


@place("kinks", sn.maximum, sn.minimum)
def _(rng, case): return moved(case, **{k: near(rng, case.inputs[k].shape, [0.0, 1.0]) for k in "ab"})


@place("kinks", sn.max, sn.max_pool2d)
def _(rng, case): return moved(case, x=near(rng, case.inputs["x"].shape, [0.0, 1.0]))


# ---- large and small ------------------------------------------------------------------------------------

SCALES = [sn.add, sn.sub, sn.mul, sn.neg, sn.abs, sn.relu, sn.leaky_relu, sn.maximum, sn.minimum, elementwise.select,
          sn.where, sn.broadcast_to, broadcast.sum_to, sn.reshape, sn.transpose, sn.concatenate, sn.stack, sn.pad,
          shape.crop, sn.getitem, shape.scatter_add, sn.sum, sn.mean, sn.var, sn.max, sn.matmul, sn.dense, sn.conv2d,
          sn.conv_transpose2d, sn.max_pool2d, sn.avg_pool2d, pool.take, pool.put, sn.mse, sn.div, sn.sqrt, sn.log]


@place("tiny", *SCALES, sn.tanh, sn.sigmoid, sn.softplus, sn.exp, sn.softmax, sn.log_softmax, sn.logsumexp,
       sn.cross_entropy, sn.gaussian_kl, sn.normalize)
def _(rng, case): return scaled(case, 1e-8)


@place("huge", *SCALES)
def _(rng, case): return scaled(case, 1e8)


@place("uneven", sn.mul, sn.div, sn.add, sn.maximum, sn.matmul, sn.dense, sn.conv2d, sn.conv_transpose2d)
def _(rng, case):
    """The first input of size 1e8, the second 1e-8, or the other way round."""
    scale = rng.choice([1e8, 1e-8])
    factors = [scale, 1 / scale, 1]
    return moved(case, **{k: a * f for (k, a), f in zip(case.inputs.items(), factors)})


def scaled(case, factor):
    return moved(case, **{k: [a * factor for a in v] if isinstance(v, list) else v * factor
                          for k, v in case.inputs.items()})


@place("extreme", sn.exp)
def _(rng, case):
    low, high = [(690, 705), (-700, -690), (-40, 40)][rng.integers(3)]         # e⁷⁰⁹ is the largest there is
    return moved(case, x=np.asarray(rng.uniform(low, high, case.inputs["x"].shape)))


@place("extreme", sn.sigmoid, sn.tanh, sn.softplus)
def _(rng, case): return moved(case, x=case.inputs["x"] * 10 ** rng.uniform(0, 3, case.inputs["x"].shape))


@place("extreme", sn.softmax, sn.log_softmax, sn.logsumexp)
def _(rng, case): return moved(case, x=case.inputs["x"] * rng.choice([10.0, 1e3]))


@place("extreme", sn.cross_entropy)
def _(rng, case): return moved(case, logits=case.inputs["logits"] * rng.choice([10.0, 1e3]))


@place("extreme", sn.bce_with_logits)
def _(rng, case):
    z = case.inputs["logits"]
    return moved(case, logits=z * rng.choice([10.0, 1e3]), target=np.asarray(rng.integers(0, 2, z.shape), float))


@place("extreme", sn.gaussian_kl)
def _(rng, case):
    full = case.inputs["mu"].shape
    return moved(case, mu=case.inputs["mu"] * rng.choice([1, 1e3]), logvar=rng.uniform(-30, 20, full))


@place("extreme", sn.var)
def _(rng, case): return moved(case, x=case.inputs["x"] + 1e3)                  # a mean far from 0


@place("extreme", sn.normalize)
def _(rng, case): return moved(case, var=case.inputs["var"] * 1e-8)             # a channel that hardly varies


@place("extreme", sn.power)
def _(rng, case):
    if "b" not in case.inputs:
        return moved(case, a=case.inputs["a"] * 1e3)
    return moved(case, a=case.inputs["a"] * rng.choice([1e-8, 1e-3, 1e3, 1e8]))


# ---- nothing there, and the same place twice --------------------------------------------------------------

ALONG = [sn.add, sn.mul, sn.div, sn.maximum, sn.neg, sn.exp, sn.relu, sn.abs, sn.tanh, sn.sigmoid, sn.softplus, sn.sqrt,
         sn.leaky_relu, sn.clip, sn.softmax, sn.log_softmax]


@place("empty", *ALONG)
def _(rng, case):
    shape = 0, *np.broadcast_shapes(*(v.shape for v in case.inputs.values()))
    return case._replace(inputs={k: np.zeros(shape) for k in case.inputs},
                         settings={k: v for k, v in case.settings.items() if k != "axis"})


@place("empty", sn.getitem)
def _(rng, case): return case._replace(settings={"index": [slice(0, 0), [], (slice(None), [])][rng.integers(3)]})


@place("empty", sn.sum)
def _(rng, case): return Case(sn.sum, {"x": np.zeros((3, 0, 2))}, {"axis": [None, 0, 1, (0, 1)][rng.integers(4)]})


@place("empty", sn.matmul)
def _(rng, case): return moved(case, a=np.zeros((0, 3)), b=rng.standard_normal((3, 2)))


@place("empty", sn.concatenate)
def _(rng, case): return Case(sn.concatenate, {"xs": [np.zeros((0, 2)), rng.standard_normal((3, 2))]}, {"axis": 0})


@place("repeated", sn.getitem)
def _(rng, case):
    n = len(case.inputs["x"])
    return case._replace(settings={"index": rng.choice([0, n - 1], 5)})


@place("repeated", pool.take, pool.put)
def _(rng, case): return case._replace(settings={**case.settings, "where": np.zeros_like(case.settings["where"])})


# ---- several ops in a row, where kinks meet ---------------------------------------------------------------

def hidden(rng):
    """Units at exactly 0, mixed with weights of both signs: relu'(0) = 0 need not lie between the slopes of the whole."""
    x, w, v = np.zeros((2, 3)), rng.standard_normal((3, 5)), rng.standard_normal((5, 2))
    x[1] = rng.integers(-1, 2, 3)
    return lambda x, w, b, v: sn.matmul(sn.relu(sn.dense(x, w, b)), v), (x, w, np.zeros(5), v)


def black_image(rng):
    """What a fresh network, its biases 0, makes of the black pixels of a digit."""
    x = np.zeros((2, 1, 6, 6))
    x[:, :, 2:4, 2:4] = rng.random((2, 1, 2, 2))
    w, w2 = rng.standard_normal((3, 1, 3, 3)), rng.standard_normal((27, 4))

    def net(x, w, b, w2):
        h = sn.max_pool2d(sn.relu(sn.conv2d(x, w, b, padding=1)), 2)
        return sn.dense(sn.reshape(h, (2, 27)), w2)
    return net, (x, w, np.zeros(3), w2)


def hinge(rng):
    return lambda s: sn.maximum(0.0, s - s[:, :1] + 1.0).sum(), (rng.integers(-1, 3, (3, 4)).astype(float),)


def distance(rng):
    a = rng.integers(0, 3, (3, 4)).astype(float)
    return lambda a, b: sn.abs(a - b).mean(axis=1), (a, a + rng.choice([0, 1e-9, -1e-7], a.shape))


def bounded(rng):
    return lambda x: sn.max(sn.clip(sn.relu(x), high=1.0), axis=0), (near(rng, (4, 3), [0.0, 1.0]),)


COMPOSED = [hidden, black_image, hinge, distance, bounded]


@pytest.mark.parametrize("make", COMPOSED, ids=lambda make: make.__name__)
def test_no_false_alarm_where_kinks_meet(make):
    for seed in range(size(2, 60)):
        f, arrays = make(np.random.default_rng(seed))
        for order in (1, 2) if seed % 3 == 0 else (1,):
            sn.check_grad(f, *arrays, order=order)


def test_no_false_alarm_for_a_layer_at_kinks():
    net = sn.layers.Sequential(sn.layers.Conv2d(1, 3, 3, padding=1, rng=0), sn.layers.ReLU(), sn.layers.MaxPool2d(2),
                               sn.layers.Flatten(), sn.layers.Dense(27, 4, rng=0))
    _, (x, *_) = black_image(np.random.default_rng(0))
    sn.check_grad(net, x)


# ---- the check ------------------------------------------------------------------------------------------

EACH = {"plain": 1, "kinks": 6, "tiny": 1, "huge": 1, "uneven": 2, "extreme": 3, "empty": 1, "repeated": 3}


def test_there_are_enough_cases():
    assert EACH.keys() == PLACES.keys() and set(TABLE) == set(PLACES["plain"])
    assert sum(EACH[name] * len(moves) for name, moves in PLACES.items()) * size(1, 40) >= size(250, 10_000)


@st.composite
def difficult(draw, function, move):
    case = draw(cases(function, draw(st.sampled_from(REGIMES))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = 2 if draw(st.integers(0, 4)) == 0 else 1
    return move(rng, case), order


def accused(case: Case, order: int) -> str:
    """What the checker says against a correct op; nothing, if all is well."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")      # a warning would be an alarm as well
            sn.check_grad(lambda *xs: case.call(list(xs)), *case.arrays(), order=order)
    except Exception as e:
        small = {k: v for k, v in case.inputs.items() if np.size(v) <= 9}
        return f"{case!r}, order {order}: {type(e).__name__}: {e}\n{small}"
    return ""


@pytest.mark.parametrize("name", PLACES)
def test_no_false_alarm(name):
    moves, found, drawn = PLACES[name], [], Counter()
    each = EACH[name] * size(1, 40)
    for function, move in sorted(moves.items(), key=lambda item: name_of(item[0])):
        def check(value, function=function):
            drawn[function] += 1
            found.extend(filter(None, [accused(*value)]))
        for_all(difficult(function, move), check, each)
    print(f"{name}: {len(found)} of {drawn.total()} correct cases accused")
    assert drawn.total() >= each * len(moves)
    assert not found, f"{len(found)} of {drawn.total()} accused:\n" + "\n".join(found[:20])
