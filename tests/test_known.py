"""Numbers worked out by hand: one call of every op with its result, and the slope at every kink.

A student can redo each line on paper.  The drawn cases are in test_registry.py.
"""
from __future__ import annotations

from math import e, log, tanh

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.ops import Stage, batch_norm, broadcast, conv, conv_chain, conv_relu, dense_chain, elementwise, pool, shape
from scratchnet.ops.matmul import product
from tests.op_cases import TABLE, name_of

IMAGE = [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]   # (1,1,3,3)
CROSS = [[[[1, 0], [0, 2]]]]                    # (1,1,2,2): y = upper left + 2 · lower right

KNOWN = [                                       # op, inputs, settings, result
    (sn.add, ([1, 2], [[10], [20]]), {}, [[11, 12], [21, 22]]),
    (sn.sub, ([1, 2], [3, 5]), {}, [-2, -3]),
    (sn.mul, ([1, -2], [3, 5]), {}, [3, -10]),
    (sn.div, ([1, -2], [4, 5]), {}, [0.25, -0.4]),
    (sn.power, ([2, 9, -3], [3, 0.5, 2]), {}, [8, 3, 9]),
    (sn.maximum, ([1, 5], [3, 2]), {}, [3, 5]),
    (sn.minimum, ([1, 5], [3, 2]), {}, [1, 2]),
    (elementwise.select, ([1, 2], [3, 4]), {"condition": [True, False]}, [1, 4]),
    (lambda a, b, c: sn.where(c, a, b), ([1, 2], [3, 4]), {"c": [False, True]}, [3, 2]),
    (sn.neg, ([1, -2],), {}, [-1, 2]),
    (sn.exp, ([0, 1, -1],), {}, [1, e, 1 / e]),
    (sn.log, ([1, e, 1 / e],), {}, [0, 1, -1]),
    (sn.sqrt, ([4, 0.25],), {}, [2, 0.5]),
    (sn.abs, ([-3, 0, 3],), {}, [3, 0, 3]),
    (sn.tanh, ([0, 1, -40],), {}, [0, tanh(1), -1]),
    (sn.sigmoid, ([0, log(3), -log(3), 800, -800],), {}, [0.5, 0.75, 0.25, 1, 0]),
    (sn.softplus, ([0, 800, -800],), {}, [log(2), 800, 0]),
    (sn.relu, ([-1, 0, 2],), {}, [0, 0, 2]),
    (sn.leaky_relu, ([-1, 0, 2],), {}, [-0.01, 0, 2]),
    (sn.leaky_relu, ([-1, 0, 2],), {"slope": 0.5}, [-0.5, 0, 2]),
    (sn.clip, ([-1, 0, 2],), {"low": -0.5, "high": 1}, [-0.5, 0, 1]),
    (sn.broadcast_to, ([1, 2],), {"shape": (2, 2)}, [[1, 2], [1, 2]]),
    (broadcast.sum_to, ([[1, 2], [3, 4]],), {"shape": (2,)}, [4, 6]),
    (broadcast.sum_to, ([[1, 2], [3, 4]],), {"shape": (2, 1)}, [[3], [7]]),
    (sn.reshape, ([[1, 2], [3, 4], [5, 6]],), {"shape": (2, -1)}, [[1, 2, 3], [4, 5, 6]]),
    (sn.transpose, ([[1, 2], [3, 4], [5, 6]],), {}, [[1, 3, 5], [2, 4, 6]]),
    (lambda a, b: sn.concatenate([a, b], axis=1), ([[1], [2]], [[3, 4], [5, 6]]), {}, [[1, 3, 4], [2, 5, 6]]),
    (lambda a, b: sn.stack([a, b], axis=1), ([1, 2], [3, 4]), {}, [[1, 3], [2, 4]]),
    (sn.pad, ([1, 2],), {"width": [(1, 2)]}, [0, 1, 2, 0, 0]),
    (shape.crop, ([1, 2, 3, 4],), {"width": [(1, 2)]}, [2]),
    (sn.getitem, ([1, 2, 3, 4],), {"index": [3, 0, 0]}, [4, 1, 1]),
    (shape.scatter_add, ([1, 2, 4],), {"shape": (4,), "index": [3, 0, 0]}, [6, 0, 0, 1]),
    (sn.sum, ([[1, 2], [3, 4]],), {"axis": 0}, [4, 6]),
    (sn.mean, ([[1, 2], [3, 4]],), {}, 2.5),
    (sn.var, ([[1, 2], [3, 6]],), {"axis": 1, "keepdims": True}, [[0.25], [2.25]]),
    (sn.max, ([[1, 5], [7, 4]],), {"axis": 1}, [5, 7]),
    (sn.logsumexp, ([[0, 0], [1000, 1000]],), {"axis": 1}, [log(2), 1000 + log(2)]),
    (sn.softmax, ([[0, log(3)], [1000, 1000]],), {}, [[0.25, 0.75], [0.5, 0.5]]),
    (sn.log_softmax, ([[0, log(3)], [-1000, 1000]],), {}, [[-log(4), log(3) - log(4)], [-2000, 0]]),
    (product, ([[1, 2]], [[3], [4]]), {}, [[11]]),
    (sn.matmul, ([1, 2], [3, 4]), {}, 11),
    (sn.matmul, ([[1, 2], [3, 4]], [5, 6]), {}, [17, 39]),
    (sn.dense, ([[1, 2]], [[3, 4], [5, 6]], [10, 20]), {}, [[23, 36]]),
    (lambda x, w, b: dense_chain(x, [w, b, w, b], slopes=[0.5, 1.0]), ([[1, 2]], [[3, 4], [5, 6]], [-17, 4]), {}, [[77, 116]]),
    (sn.conv2d, (IMAGE, CROSS, [100]), {}, [[[[111, 114], [120, 123]]]]),
    (sn.conv2d, (IMAGE, CROSS), {"stride": 2, "padding": 1}, [[[[2, 6], [14, 23]]]]),
    (sn.conv2d, (IMAGE, CROSS), {"dilation": 2}, [[[[19]]]]),
    (conv_relu.conv2d_relu, (IMAGE, CROSS, [-20]), {}, [[[[0, 0], [0, 3]]]]),
    (conv_relu.conv2d_transpose_relu, ([[[[1, 10]]]], CROSS, [-5]), {"size": (2, 3)}, [[[[0, 5, 0], [0, 0, 15]]]]),
    (lambda x, w, b: conv_chain(x, [w, b, w, b], stages=[Stage(slope=0.0), Stage(True, stride=2)]), (IMAGE, CROSS, [-20]), {},
     [[[[-20, -20, -20, -20], [-20, -20, -20, -20], [-20, -20, -17, -20], [-20, -20, -20, -14]]]]),
    (batch_norm, ([[[[1, 3]]], [[[1, 3]]]], [2], [1]), {"eps": 0}, [[[[-1, 3]]], [[[-1, 3]]]]),
    (batch_norm, ([[[[1, 3]]], [[[1, 3]]]], [2], [1]), {"eps": 3, "slope": 0.5}, [[[[0, 2]]], [[[0, 2]]]]),
    (batch_norm, ([[[[1, 3]]], [[[1, 3]]]], [4], [1]), {"eps": 3, "slope": 0.5}, [[[[-0.5, 3]]], [[[-0.5, 3]]]]),
    (conv.conv2d_transpose, ([[[[1, 10]]]], CROSS), {"size": (2, 3)}, [[[[1, 10, 0], [0, 2, 20]]]]),
    (conv.conv2d_weight, (IMAGE, [[[[1, 0], [0, 10]]]]), {"size": (2, 2)}, [[[[51, 62], [84, 95]]]]),
    (sn.conv_transpose2d, ([[[[1, 10]]]], CROSS), {"stride": 2}, [[[[1, 0, 10, 0], [0, 2, 0, 20]]]]),
    (sn.conv_transpose2d, ([[[[1, 10]]]], CROSS), {"stride": 2, "padding": (0, 1), "output_padding": (0, 1)},
     [[[[0, 10, 0], [2, 0, 20]]]]),
    (sn.max_pool2d, (IMAGE,), {"size": 2, "stride": 1}, [[[[5, 6], [8, 9]]]]),
    (sn.max_pool2d, ([[[[-1, -2], [-3, -4]]]],), {"size": 2, "padding": 1}, [[[[-1, -2], [-3, -4]]]]),
    (sn.avg_pool2d, (IMAGE,), {"size": 2}, [[[[3]]]]),
    (sn.avg_pool2d, (IMAGE,), {"size": 2, "padding": 1}, [[[[0.25, 1.25], [2.75, 7]]]]),
    (pool.avg_pool2d_transpose, ([[[[4, 8]]]],), {"image": (2, 3), "size": 2, "stride": 1}, [[[[1, 3, 2], [1, 3, 2]]]]),
    (pool.take, (IMAGE,), {"where": np.array([[[[8, 0]]]])}, [[[[9, 1]]]]),
    (pool.put, ([[[[1, 2, 4]]]],), {"where": np.array([[[[3, 0, 3]]]]), "size": (2, 2)}, [[[[2, 0], [0, 5]]]]),
    (sn.mse, ([1, 2], [4, 2]), {}, 4.5),
    (sn.mse, ([1, 2], [4, 2]), {"reduction": "none"}, [9, 0]),
    (sn.bce_with_logits, ([0, log(3)], [1, 0]), {"reduction": "none"}, [log(2), log(4)]),
    (sn.bce_with_logits, ([-1000, 1000], [1, 0]), {"reduction": "sum"}, 2000),
    (sn.cross_entropy, ([[0, log(3)], [0, 0]],), {"labels": [1, 0], "reduction": "sum"}, log(4 / 3) + log(2)),
    (sn.gaussian_kl, ([[0, 0], [1, 2]], [[0, 0], [0, log(3)]]), {"reduction": "none"}, [0, 3.5 - log(3) / 2]),
    (sn.gaussian_kl, ([[0, 0], [1, 1]], [[0, 0], [0, 0]]), {}, 0.5),
    (sn.normalize, ([[3, 5]], [[1, 1]], [[4, 1]], [[2, 3]], [[0, 7]]), {"eps": 0}, [[2, 19]]),
]

KINKS = [                                       # op, inputs, settings, gradient of the sum for each input
    (sn.relu, ([0, -0.0, 1, -1],), {}, [[0, 0, 1, 0]]),
    (sn.leaky_relu, ([0, -0.0, 1, -1],), {"slope": 0.25}, [[0.25, 0.25, 1, 0.25]]),
    (sn.abs, ([0, -0.0, 2, -2],), {}, [[0, 0, 1, -1]]),
    (sn.clip, ([-1, 1, 0, -2, 2],), {"low": -1, "high": 1}, [[1, 1, 1, 0, 0]]),
    (sn.maximum, ([1, 2, 3], [1, 3, 2]), {}, [[1, 0, 1], [0, 1, 0]]),
    (sn.minimum, ([1, 2, 3], [1, 3, 2]), {}, [[1, 1, 0], [0, 0, 1]]),
    (sn.max, ([[1, 3, 3], [2, 2, 2]],), {"axis": 1}, [[[0, 1, 0], [1, 0, 0]]]),
    (sn.max, ([[1, 3, 3], [3, 2, 2]],), {}, [[[0, 1, 0], [0, 0, 0]]]),
    (sn.max, ([[1, 3, 3], [1, 2, 3]],), {"axis": 0}, [[[1, 1, 1], [0, 0, 0]]]),
    (sn.mean, (np.ones((2, 3, 4)),), {"axis": (1, 2)}, [np.full((2, 3, 4), 1 / 12)]),
    (sn.mean, (np.ones((2, 3, 4)),), {"axis": [0, -1]}, [np.full((2, 3, 4), 1 / 8)]),
    (sn.max_pool2d, ([[[[5, 5, 1], [5, 5, 1]]]],), {"size": 2, "stride": 1}, [[[[[1, 1, 0], [0, 0, 0]]]]]),
    (sn.max_pool2d, ([[[[0, 0], [0, 0]]]],), {"size": 2, "padding": 1}, [[[[[1, 1], [1, 1]]]]]),
    (sn.power, ([0, 2, 0, 0], [0, 0, 2, 1]), {}, [[0, 0, 0, 1], [0, log(2), 0, 0]]),
    (sn.sqrt, ([4.0],), {}, [[0.25]]),
    (sn.logsumexp, ([1000, 1000],), {}, [[0.5, 0.5]]),
    (sn.sigmoid, ([800, -800, 0],), {}, [[0, 0, 0.25]]),
    (sn.softplus, ([800, -800, 0],), {}, [[1, 0, 0.5]]),
    (sn.bce_with_logits, ([800, -800], [0, 1]), {"reduction": "none"}, [[1, -1], [-800, 800]]),
    (sn.gaussian_kl, ([[2.0, -3.0]], [[0.0, log(3)]]), {}, [[[2, -3]], [[0, 1]]]),
    (sn.cross_entropy, (np.zeros((0, 3)),), {"labels": np.zeros(0, int), "reduction": "sum"}, [np.zeros((0, 3))]),
    (sn.gaussian_kl, (np.zeros((0, 2)), np.zeros((0, 2))), {"reduction": "sum"}, [np.zeros((0, 2))] * 2),
    (lambda x: x[[0, 0, 2]], ([1, 2, 3],), {}, [[2, 0, 1]]),
    (lambda x: sn.where([True, False], x, 1 / x), ([1, 2],), {}, [[1, -0.25]]),
    (sn.normalize, ([[3.0]], [[1.0]], [[4.0]], [[2.0]], [[0.0]]), {"eps": 0}, [[[1]], [[-1]], [[-0.25]], [[1]], [[1]]]),
]


def ids(table):
    return [f"{name_of(row[0])}-{i}" for i, row in enumerate(table)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function, inputs, settings, result", KNOWN, ids=ids(KNOWN))
def test_G10_known_values(function, inputs, settings, result, dtype, kernels):
    y = function(*(sn.Tensor(np.array(x, dtype)) for x in inputs), **settings)
    assert (y.shape, y.dtype) == (np.shape(result), dtype)
    np.testing.assert_allclose(y.numpy(), result, rtol=5 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("function, inputs, settings, expected", KINKS, ids=ids(KINKS))
def test_G6_slopes_at_kinks(function, inputs, settings, expected, kernels):
    """G6: the convention where there is no derivative, and slopes where a plain formula would give NaN."""
    xs = [sn.Tensor(np.array(x, float), requires_grad=True) for x in inputs]
    y = function(*xs, **settings)
    for create_graph in (False, True):          # by the fast rule, where there is one, and by the plain ones
        found = sn.grad(y, xs, np.ones(y.shape), create_graph=create_graph, retain_graph=True)
        for d, slope in zip(found, expected, strict=True):
            np.testing.assert_allclose(d.numpy(), slope, rtol=1e-12, atol=0)


def test_every_op_has_a_known_value():
    known = {row[0] for row in KNOWN} | {sn.where, sn.concatenate, sn.stack, conv_chain, dense_chain}      # those five as lambdas
    assert {name_of(f) for f in TABLE if f not in known} == set()
