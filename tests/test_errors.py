"""What is refused, and in which words: the op, the argument, what was got, what was expected.

Three tables: mistakes that can be made with every op (EVERYWHERE), those of single ops (BAD), those
of the engine (ENGINE).  A bare AssertionError, IndexError or NumPy's own message is a failure here.
"""
from __future__ import annotations

import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import (AvgPool2d, BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Layer, MaxPool2d,
                               Sequential)
from scratchnet.op import Op
from scratchnet.ops import broadcast, conv, pool, shape
from scratchnet.ops.matmul import product
from scratchnet.rng import generator
from tests.conftest import for_all
from tests.op_cases import TABLE, cases, name_of

nan, inf = np.nan, np.inf


def A(*shape, dtype=float):
    return np.ones(shape, dtype)


def T(*shape, dtype=float):
    return sn.Tensor(np.ones(shape, dtype), requires_grad=True)


def refused(call, exception, pattern):
    with pytest.raises(exception) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) in (ValueError, TypeError, IndexError, RuntimeError, FloatingPointError), type(caught.value)
    assert re.search(pattern, message), f"got: {message}\nexpected: {pattern}"
    for bare in ("operands could not be broadcast", "cannot be interpreted", "list indices", "NoneType' object"):
        assert bare not in message, message


# ---- mistakes that can be made with every op ----------------------------------------------------

def wrong_array(value):
    """Every array of that input replaced by one that is not float32 or float64."""
    def replace(given):
        return [value] * len(given) if isinstance(given, list) else value
    return replace


KINDS = {                                       # what an input is replaced by -> what the message says
    "integers": (np.ones((2, 2), int), "has dtype int64, expected float32 or float64"),
    "booleans": (np.ones((2, 2), bool), "has dtype bool, expected float32 or float64"),
    "half": (np.ones((2, 2), np.float16), "has dtype float16, expected float32 or float64"),
    "objects": (np.array([None, 1]), "has dtype object, expected float32 or float64"),
    "text array": (np.array(["one"]), "has dtype <U3, expected float32 or float64"),
    "text": ("one", "is 'one', expected an array, a Tensor or a number"),
    "a set": ({1, 2}, "is {1, 2}, expected an array, a Tensor or a number"),
    "ragged": ([[1.0], [2.0, 3.0]], r"is \[\[1.0\], \[2.0, 3.0\]\], expected an array"),
}
OPS = sorted((f for f in TABLE if isinstance(f, Op)), key=name_of)
each_op = pytest.mark.parametrize("op", OPS, ids=name_of)


def good_call(op) -> dict:
    """Arguments that the op accepts."""
    found = []
    for_all(cases(op, "distinct"), found.append, 1)
    return {**found[0].inputs, **found[0].settings}


@pytest.mark.parametrize("kind", KINDS)
@each_op
def test_G8_inputs_that_are_not_floats(op, kind):
    value, text = KINDS[kind]
    for name in op.inputs:
        call = good_call(op)
        call[name] = [value, value] if name == op.sequence else value
        refused(lambda: op(**call), TypeError, f"{op.name}: {name} {text}")


@each_op
def test_G8_inputs_that_are_missing_unknown_or_given_twice(op):
    good, first = good_call(op), op.inputs[0]
    for name in op.parameters:
        if name not in op.defaults:
            call = {k: v for k, v in good.items() if k != name}
            refused(lambda: op(**call), TypeError, rf"{op.name}\(.*\) needs {name}")
    refused(lambda: op(**good, colour=1), TypeError, rf"{op.name}\(.*{first}.*\) has no argument 'colour'")
    refused(lambda: op(good[first], **good), TypeError, rf"{op.name}\(.*\) was given '{first}' twice")
    refused(lambda: op(*[1.0] * 20), TypeError, rf"{op.name}\(.*\) was given 20 arguments, expected at most")
    for name in op.inputs:
        if name not in op.defaults:
            refused(lambda: op(**{**good, name: None}), TypeError, f"{op.name}: {name} is (None|a NoneType), expected")


@each_op
def test_G8_inputs_of_different_dtypes(op):
    good = good_call(op)
    for name in op.inputs[1:]:
        if good.get(name) is not None:
            call = {**good, name: good[name].astype(np.float32)}
            refused(lambda: op(**call), TypeError,
     rf"{op.name}: {name} is float32 but \w+ is float64, expected one dtype")
    if op.sequence:
        call = {**good, op.sequence: [A(2, 2), A(2, 2, dtype=np.float32)]}
        refused(lambda: op(**call), TypeError, "xs is float32 but xs is float64, expected one dtype")


@each_op
def test_G8_tensors_as_settings(op):
    good = good_call(op)
    for name in op.parameters[len(op.inputs):]:
        refused(lambda: op(**{**good, name: T(2)}), TypeError, f"{op.name}: {name} is a setting.*instead of a Tensor")


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "power", "maximum", "minimum"])
def test_G8_shapes_that_do_not_broadcast(name):
    f = getattr(sn, name)
    for a, b in (((2,), (3,)), ((2, 3), (2,)), ((2, 0), (2, 3)), ((4, 1, 2), (4, 3))):
        refused(lambda: f(A(*a), A(*b)), ValueError, re.escape(f"{name}: shapes do not fit together: a {a}, b {b}"))


# ---- single ops ---------------------------------------------------------------------------------

X, W, G = A(2, 3, 5, 5), A(4, 3, 3, 3), A(2, 4, 3, 3)          # g: the output of conv2d(x, w)


def geometry(name, call):
    """Bad settings that conv2d and its relatives share."""
    settings = {"stride": (1, [0, -1, 1.5, "2", True, (1, 2, 3), (1, 0), None]),
                "padding": (0, [-1, 0.5, "same", (0, -1), (1,), None]), "dilation": (1, [0, -2, 1.0, (1, 0)])}
    for setting, (least, values) in settings.items():
        for v in values:
            expected = f"at least {least}" if np.all([type(n) is int for n in np.ravel(np.array(v, object))]) and (
                isinstance(v, int) or len(v) == 2) else "an int or a pair of ints"
            yield (f"{name} {setting}={v!r}", lambda setting=setting, v=v: call(**{setting: v}), ValueError,
                   re.escape(f"{name}: {setting} is {v!r}, expected {expected}"))


def four_axes(name, call, **good):
    """Inputs without 4 axes, or empty."""
    for k, a in good.items():
        for wrong in (a[0], a[0, 0], a[None], np.array(1.0)):
            yield (f"{name} {k} {wrong.ndim}-D", lambda k=k, wrong=wrong: call(**{**good, k: wrong}), ValueError,
                   rf"{name}: {k} has shape {re.escape(str(wrong.shape))}, expected 4 axes \(")
        for axis in range(4):
            empty = np.ones([0 if i == axis else n for i, n in enumerate(a.shape)])
            yield (f"{name} {k} empty", lambda k=k, empty=empty: call(**{**good, k: empty}), ValueError,
                   rf"{name}: {k} is empty, shape {re.escape(str(empty.shape))}")


BAD = [                                         # what, call, exception, pattern
    *geometry("conv2d", lambda **s: sn.conv2d(X, W, **s)),
    *four_axes("conv2d", sn.conv2d, x=X, w=W),
    ("conv2d channels", lambda: sn.conv2d(X, A(4, 2, 3, 3)), ValueError,
     r"x has 3 channels but w expects 2.*x \(2, 3, 5, 5\), w \(4, 2, 3, 3\)"),
    ("conv2d large filter", lambda: sn.conv2d(X, A(4, 3, 6, 3)), ValueError,
     r"conv2d: the filter spans 6 rows .*only 5 \(x \(2, 3, 5, 5\), padding"),
    ("conv2d wide filter", lambda: sn.conv2d(X, A(4, 3, 3, 8), padding=1), ValueError, "spans 8 columns.*only 7"),
    ("conv2d dilated filter", lambda: sn.conv2d(X, W, dilation=(1, 3)), ValueError,
     "spans 7 columns.*dilation.*only 5"),
    ("conv2d bias", lambda: sn.conv2d(X, W, A(3)), ValueError, r"conv2d: b has shape \(3,\), expected \(4,\)"),
    ("conv2d bias 2-D", lambda: sn.conv2d(X, W, A(1, 4)), ValueError, r"conv2d: b has shape \(1, 4\), expected \(4,\)"),

    *geometry("conv2d_transpose", lambda **s: conv.conv2d_transpose(G, W, size=(5, 5), **s)),
    *four_axes("conv2d_transpose", lambda g, w: conv.conv2d_transpose(g, w, size=(5, 5)), g=G, w=W),
    ("transpose channels", lambda: conv.conv2d_transpose(X, W, size=(7, 7)), ValueError,
     "the input has 3 channels but w takes 4"),
    ("transpose size", lambda: conv.conv2d_transpose(G, W, size=(6, 5)), ValueError,
     r"no image of size \(6, 5\).*gives \(4, 3\), not \(3, 3\)"),
    ("transpose no size", lambda: conv.conv2d_transpose(G, W, size=0), ValueError, "size is 0, expected at least 1"),
    ("transpose size 3-D", lambda: conv.conv2d_transpose(G, W, size=(4, 5, 5)), ValueError,
     r"size is \(4, 5, 5\), expected an int or a pair"),
    ("transpose bias", lambda: conv.conv2d_transpose(G, W, A(4), size=(5, 5)), ValueError,
     r"b has shape \(4,\), expected \(3,\)"),

    *geometry("conv2d_weight", lambda **s: conv.conv2d_weight(X, G, size=(3, 3), **s)),
    *four_axes("conv2d_weight", lambda x, g: conv.conv2d_weight(x, g, size=(3, 3)), x=X, g=G),
    ("weight size", lambda: conv.conv2d_weight(X, G, size=(2, 3)), ValueError,
     r"give 2 images of \(4, 3\), but g has shape \(2, 4, 3, 3\)"),
    ("weight large", lambda: conv.conv2d_weight(X, G, size=6), ValueError, "spans 6 rows.*only 5"),
    ("weight batch", lambda: conv.conv2d_weight(X, A(3, 4, 3, 3), size=3), ValueError,
     r"give 2 images.*g has shape \(3, 4, 3, 3\)"),

    *geometry("conv_transpose2d", lambda **s: sn.conv_transpose2d(G, W, **s)),
    *[(f"conv_transpose2d {k}", lambda kw=kw: sn.conv_transpose2d(**{"x": G, "w": W, **kw}), ValueError,
      rf"conv_transpose2d: {k} has shape .*, expected 4 axes")
      for kw in ({"x": A(4, 3, 3)}, {"w": A(3, 3)}) for k in kw],
    ("output_padding", lambda: sn.conv_transpose2d(G, W, stride=2, output_padding=2), ValueError,
     "output_padding is 2, expected less than the stride 2"),
    ("output_padding, stride 1", lambda: sn.conv_transpose2d(G, W, output_padding=(0, 1)), ValueError,
     r"output_padding is \(0, 1\), expected less than the stride 1"),
    ("output_padding < 0", lambda: sn.conv_transpose2d(G, W, stride=2, output_padding=-1), ValueError,
     "output_padding is -1, expected at least 0"),
    ("nothing left", lambda: sn.conv_transpose2d(A(1, 4, 1, 1), W, padding=2), ValueError,
     r"nothing is left of the image, size \(-1, -1\).*padding 2"),
    ("conv_transpose2d channels", lambda: sn.conv_transpose2d(X, W), ValueError,
     "the input has 3 channels but w takes 4"),
    ("conv_transpose2d bias", lambda: sn.conv_transpose2d(G, W, A(4)), ValueError,
     r"b has shape \(4,\), expected \(3,\)"),
    ("conv_transpose2d text", lambda: sn.conv_transpose2d("x", W), ValueError,
     "conv_transpose2d: x has shape None, expected 4 axes"),
    ("conv_transpose2d empty", lambda: sn.conv_transpose2d(G[:0], W), ValueError, "is empty, shape"),
    ("conv_transpose2d integers", lambda: sn.conv_transpose2d(G.astype(int), W), TypeError,
     "has dtype int64, expected float32"),

    *[row for f in (sn.max_pool2d, sn.avg_pool2d) for row in four_axes(f.name, lambda x, f=f: f(x, 2), x=X)],
    *[(f"{f.name} {kw}", lambda f=f, kw=kw: f(X, **{"size": 2, **kw}), ValueError,
      rf"{f.name}: {k} is {re.escape(repr(v))}, expected")
      for f in (sn.max_pool2d, sn.avg_pool2d) for kw in ({"size": 0}, {"size": (2, 2, 2)}, {"size": 1.5}, {"size": None},
      {"stride": 0},
      {"stride": (1, -1)}, {"padding": -1}, {"padding": "same"}) for k, v in kw.items()],
    *[(f"{f.name} large", lambda f=f: f(X, (6, 2)), ValueError,
      rf"{f.name}: the filter spans 6 rows .*only 5") for f in (sn.max_pool2d, sn.avg_pool2d)],
    ("max_pool2d padding", lambda: sn.max_pool2d(X, 3, padding=2), ValueError,
     r"max_pool2d: padding \(2, 2\) exceeds half the window \(3, 3\)"),
    ("avg_pool2d_transpose", lambda: pool.avg_pool2d_transpose(A(1, 1, 2, 2), image=(7, 4), size=2), ValueError,
     r"avg_pool2d_transpose: .*\(2, 2\)"),
    ("avg_pool2d_transpose ndim", lambda: pool.avg_pool2d_transpose(A(2, 2), image=(4, 4), size=2), ValueError,
     r"avg_pool2d_transpose: g has shape \(2, 2\), expected 4 axes"),
    ("take ndim", lambda: pool.take(A(2, 2), where=np.zeros((1, 1, 1, 1), int)), ValueError,
     r"take: x has shape \(2, 2\), expected 4 axes"),
    ("take outside", lambda: pool.take(A(1, 1, 2, 2), where=np.full((1, 1, 1, 1), 4)), ValueError,
     "take: where .*4.*expected 0 to 3"),
    ("take negative", lambda: pool.take(A(1, 1, 2, 2), where=np.full((1, 1, 1, 1), -1)), ValueError,
     "take: where .*-1.*expected 0 to 3"),
    ("take floats", lambda: pool.take(A(1, 1, 2, 2), where=A(1, 1, 1, 1)), TypeError,
     "take: where .*float64.*expected integers"),
    ("put outside", lambda: pool.put(A(1, 1, 1, 1), where=np.full((1, 1, 1, 1), 4), size=(2, 2)), ValueError,
     "put: where .*4.*expected 0 to 3"),
    ("put shapes", lambda: pool.put(A(1, 1, 1, 1), where=np.zeros((1, 1, 2, 1), int), size=(2, 2)), ValueError,
     r"put: g.*\(1, 1, 1, 1\).*where.*\(1, 1, 2, 1\)"),

    ("matmul inner", lambda: A(2, 3) @ T(2, 3), ValueError, r"matmul: a \(2, 3\) and b \(2, 3\) do not fit"),
    ("matmul vectors", lambda: sn.matmul(A(3), A(2)), ValueError, r"matmul: a \(1, 3\) and b \(2, 1\) do not fit"),
    ("matmul batch", lambda: sn.matmul(A(2, 3, 3), A(4, 3, 3)), ValueError,
     r"matmul, leading axes: shapes do not fit together: a \(2,\), b \(4,\)"),
    ("matmul scalar a", lambda: sn.matmul(2.0, A(3)), ValueError, r"matmul: a \(\), b \(3,\).*use a \* b"),
    ("matmul scalar b", lambda: T(3) @ 2.0, ValueError, r"matmul: a \(3,\), b \(\).*use a \* b"),
    ("matmul integers", lambda: sn.matmul(A(2, 2), A(2, 2).astype(int)), TypeError,
     "b has dtype int64, expected float32"),
    ("matmul dtypes", lambda: sn.matmul(A(2, 2), A(2, 2, dtype="f4")), TypeError,
     "b is float32 but a is float64, expected one dtype"),
    ("matmul None", lambda: sn.matmul(None, A(2, 2)), TypeError, "matmul: a is None, expected an array"),
    ("product ndim", lambda: product(A(3), A(3, 2)), ValueError, r"matmul: a \(3,\) and b \(3, 2\) do not fit"),
    ("dense inner", lambda: sn.dense(A(5, 4), A(3, 2)), ValueError,
     r"dense: x \(5, 4\) and w \(3, 2\) do not fit.*flatten"),
    ("dense images", lambda: sn.dense(X, A(75, 2)), ValueError, r"dense: x \(2, 3, 5, 5\) and w \(75, 2\) do not fit"),
    ("dense scalar", lambda: sn.dense(2.0, A(3, 2)), ValueError, r"dense: x \(\) and w \(3, 2\) do not fit"),
    ("dense w 1-D", lambda: sn.dense(A(5, 3), A(3)), ValueError, r"dense: x \(5, 3\) and w \(3,\) do not fit"),
    ("dense bias", lambda: sn.dense(A(5, 3), A(3, 2), A(3)), ValueError, r"dense: b \(3,\), expected \(2,\)"),
    ("dense bias 2-D", lambda: sn.dense(A(5, 3), A(3, 2), A(5, 2)), ValueError, r"dense: b \(5, 2\), expected \(2,\)"),

    ("where", lambda: sn.where(A(3) > 0, A(2), 0.0), ValueError,
     r"where: shapes do not fit.*a \(2,\).*condition \(3,\)"),
    ("where Tensor", lambda: sn.where(T(2), T(2), 0.0), TypeError, "condition is a setting.*instead of a Tensor"),
    ("clip bounds", lambda: sn.clip(A(2), 1, 0), ValueError, "clip: low = 1 is above high = 0"),
    ("clip Tensor", lambda: sn.clip(A(2), T(1)), TypeError, "clip: low is a setting"),
    ("broadcast_to", lambda: sn.broadcast_to(A(2, 3), (2, 4)), ValueError,
     r"broadcast_to: x of shape \(2, 3\) cannot be repeated to \(2, 4\)"),
    ("broadcast_to fewer", lambda: sn.broadcast_to(A(2, 3), (3,)), ValueError,
     r"broadcast_to: x of shape \(2, 3\) cannot be repeated to \(3,\)"),
    ("broadcast_to int", lambda: sn.broadcast_to(A(2, 3), 3), ValueError, r"cannot be repeated to \(3,\)"),
    ("broadcast_to float", lambda: sn.broadcast_to(A(1, 3), (2.0, 3)), (ValueError, TypeError),
     r"broadcast_to: .*\(2.0, 3\)"),
    ("broadcast_to negative", lambda: sn.broadcast_to(A(1, 3), (-1, 3)), ValueError, r"broadcast_to: .*\(-1, 3\)"),
    ("sum_to", lambda: broadcast.sum_to(A(2, 3), shape=(2,)), ValueError,
     r"sum_to: \(2,\) does not broadcast to x's shape \(2, 3\)"),
    ("sum_to more", lambda: broadcast.sum_to(A(3), shape=(1, 3)), ValueError,
     r"sum_to: \(1, 3\) does not broadcast to x's shape \(3,\)"),
    ("reshape", lambda: sn.reshape(A(2, 3), (4, 2)), ValueError,
     r"reshape: x of shape \(2, 3\) has 6 numbers, which do not fill \(4, 2\)"),
    ("reshape -1", lambda: sn.reshape(A(2, 3), (4, -1)), ValueError,
     r"reshape: x of shape \(2, 3\) has 6 numbers.*\(4, -1\)"),
    ("reshape -1 -1", lambda: sn.reshape(A(2, 3), (-1, -1)), ValueError, r"reshape: x of shape \(2, 3\).*\(-1, -1\)"),
    ("reshape float", lambda: sn.reshape(A(2, 3), (6 / 2, 2)), (ValueError, TypeError), r"reshape: .*\(3.0, 2\)"),
    ("reshape method", lambda: T(2, 3).reshape(5), ValueError, r"reshape: x of shape \(2, 3\).*\(5,\)"),
    ("reshape none", lambda: T(2, 3).reshape(), ValueError, r"reshape: x of shape \(2, 3\).*\(\)"),
    ("transpose few", lambda: sn.transpose(A(2, 3), (0,)), ValueError,
     r"transpose: axes \(0,\) must name each of x's 2 axes once \(x \(2, 3\)\)"),
    ("transpose twice", lambda: sn.transpose(A(2, 3), (1, 1)), ValueError, r"transpose: axes \(1, 1\) must name each"),
    ("transpose beyond", lambda: sn.transpose(A(2, 3), (0, 3)), ValueError, r"transpose: axes \(0, 3\) must name each"),
    ("transpose below", lambda: sn.transpose(A(2, 3), (0, -3)), ValueError,
     r"transpose: axes \(0, -3\) must name each"),
    ("transpose 0-D", lambda: sn.transpose(A(), (0,)), ValueError,
     r"transpose: axes \(0,\) must name each of x's 0 axes"),
    ("transpose int", lambda: sn.transpose(A(2, 3), 1), (ValueError, TypeError), "transpose: axes"),
    ("transpose float", lambda: sn.transpose(A(2, 3), (1.0, 0.0)), (ValueError, TypeError), "transpose: axes"),
    ("concatenate nothing", lambda: sn.concatenate([]), ValueError, "concatenate: the list is empty"),
    ("concatenate array", lambda: sn.concatenate(A(2, 3)), TypeError,
     "concatenate: xs is a ndarray, expected a list or tuple"),
    ("concatenate Tensor", lambda: sn.concatenate(T(2, 3)), TypeError,
     "concatenate: xs is a Tensor, expected a list or tuple"),
    ("concatenate shapes", lambda: sn.concatenate([A(2, 3), A(2, 4)]), ValueError,
     r"concatenate: shapes must be equal but along axis 0, got \[\(2, 3\), \(2, 4\)\]"),
    ("concatenate ndim", lambda: sn.concatenate([A(2, 3), A(2)]), ValueError,
     r"concatenate: shapes must be equal.*\[\(2, 3\), \(2,\)\]"),
    ("concatenate axis", lambda: sn.concatenate([A(2, 3)], axis=2), ValueError, "concatenate: axis 2 does not exist"),
    ("concatenate None", lambda: sn.concatenate([A(2, 3)], axis=None), ValueError,
     "concatenate: axis None does not exist"),
    ("concatenate 0-D", lambda: sn.concatenate([A(), A()]), ValueError, "concatenate: axis 0 does not exist"),
    ("stack nothing", lambda: sn.stack([]), ValueError, "stack: the list is empty"),
    ("stack array", lambda: sn.stack(A(2, 3)), TypeError, "stack: xs is a ndarray, expected a list"),
    ("stack shapes", lambda: sn.stack([A(2, 3), A(3, 2)]), ValueError,
     r"stack: shapes must be equal, got \[\(2, 3\), \(3, 2\)\]"),
    ("stack axis", lambda: sn.stack([A(2, 3)], axis=3), ValueError, "stack: axis 3 does not exist"),
    ("stack axis float", lambda: sn.stack([A(2, 3)], axis=1.0), ValueError, "stack: axis 1.0 does not exist"),
    *[(f"{f.name} {width}", lambda f=f, width=width: f(A(2, 3), width=width), ValueError,
      rf"{f.name}: width .* for x \(2, 3\), expected one int ≥ 0 or 2 pairs")
      for f in (sn.pad, shape.crop) for width in (-1, [(1, 1)], [(1, 1), (0, -1)], [(1, 1, 1), (0, 0, 0)], [1, 1],
      1.5, [(0.5, 1), (0, 0)], "ab", None)],
    ("crop too much", lambda: shape.crop(A(2, 3), width=2), ValueError,
     r"crop: width 2 takes more than there is of x \(2, 3\)"),
    *[(f"index {index!r}", lambda index=index: T(2, 3)[index], IndexError,
      r"index .* does not fit a tensor of shape \(2, 3\)")
      for index in (2, -3, (0, 3), (0, 0, 0), 0.5, "a", [0, 5], np.array([True]), (slice(None), [3]), {1: 2})],
    ("scatter_add index", lambda: shape.scatter_add(A(2), shape=(3,), index=[0, 3]), (IndexError, ValueError),
     r"scatter_add: .*\(3,\)"),
    ("scatter_add shape", lambda: shape.scatter_add(A(2), shape=(3,), index=[0, 1, 2]), ValueError,
     r"scatter_add: .*\(2,\)"),

    *[(f"{f.name} axis {axis!r}", lambda f=f, axis=axis: f(A(2, 3), axis=axis), ValueError,
      rf"{f.name}: axis {re.escape(repr(axis))} does not exist: x of shape \(2, 3\) has axes 0 to 1")
      for f in (sn.sum, sn.mean, sn.var, sn.max, sn.logsumexp, sn.softmax, sn.log_softmax) for axis in (2, -3, "rows", 0.0)],
    *[(f"{f.name} axis twice", lambda f=f: f(A(2, 3), axis=(0, -2)), ValueError,
      rf"{f.name}: axis \(0, -2\) names an axis of x \(2, 3\) twice")
      for f in (sn.sum, sn.mean, sn.var, sn.max, sn.logsumexp, sn.softmax, sn.log_softmax)],
    *[(f"{f.name} of nothing", lambda f=f: f(A(2, 0), axis=1), ValueError,
      rf"{f.name}: nothing to reduce: x has shape \(2, 0\), axis")
      for f in (sn.mean, sn.var, sn.max, sn.logsumexp, sn.softmax, sn.log_softmax)],
    *[(f"{f.name} of a number", lambda f=f: f(A()), ValueError,
      rf"{f.name}: axis -1 does not exist: x of shape \(\)") for f in (sn.softmax, sn.log_softmax)],
    ("normalize beyond", lambda: sn.normalize(A(3), A(2, 3), A(3), A(3), A(3)), ValueError,
     r"normalize: mean \(2, 3\).*must broadcast to x's shape \(3,\), not beyond"),
    ("normalize channels", lambda: sn.normalize(X, A(4), A(3), A(3), A(3)), ValueError,
     r"normalize: shapes do not fit together: x \(2, 3, 5, 5\), mean \(4,\)"),

    *[(f"{f.name} shapes {b}", lambda f=f, b=b: f(A(4, 1), 0 * A(*b)), ValueError,
      rf"{f.name}: expected equal shapes, got \w+ \(4, 1\), \w+ {re.escape(str(b))}; reshape")
      for f in (sn.mse, sn.bce_with_logits, sn.gaussian_kl) for b in ((4,), (1, 1), (4, 2), (), (4, 1, 1))],
    *[(f"{f.name} reduction {r!r}", lambda f=f, r=r: f(A(4, 1), A(4, 1), reduction=r), ValueError,
      rf'{f.name}: reduction is {r!r}, expected "none", "sum" or "mean"')
      for f in (sn.mse, sn.bce_with_logits, sn.gaussian_kl) for r in ("average", None, True)],
    *[(f"{f.name} empty batch", lambda f=f: f(A(0, 2), A(0, 2)), ValueError,
      f"{f.name}: the mean of nothing: the batch is empty") for f in (sn.mse, sn.bce_with_logits, sn.gaussian_kl)],
    *[(f"bce target {v}", lambda v=v: sn.bce_with_logits(A(1, 2), np.array([[0.5, v]])), ValueError,
      rf"bce_with_logits: target\[\(0, 1\)\] = {v}, expected numbers in \[0, 1\]")
      for v in (nan, -0.5, 1.5, 255.0, inf, -inf)],
    *[(f"label {v}", lambda v=v: sn.cross_entropy(A(2, 3), np.array([0, v])), ValueError,
      rf"cross_entropy: labels\[1\] = {v}, expected 0 to 2 for 3 classes \(logits \(2, 3\)\)")
      for v in (3, -1, 100)],
    *[(f"labels {np.shape(labels)}", lambda labels=labels: sn.cross_entropy(A(2, 3), labels), ValueError,
      rf"cross_entropy: logits \(2, 3\), labels {re.escape(str(np.shape(labels)))}; expected \(N, M\) and \(N,\)")
      for labels in ([0], [0, 1, 2], [[0], [1]], 0, np.eye(2, 3, dtype=int))],
    *[(f"logits {s}", lambda s=s: sn.cross_entropy(A(*s), [0, 1]), ValueError,
      rf"cross_entropy: logits {re.escape(str(s))}, labels \(2,\); expected \(N, M\)") for s in ((2,), (2, 3, 4), (3, 3))],
    ("labels float", lambda: sn.cross_entropy(A(2, 3), [0.0, 1.0]), TypeError,
     "cross_entropy: labels have dtype float64, expected integers"),
    ("labels bool", lambda: sn.cross_entropy(A(2, 3), [True, False]), TypeError,
     "cross_entropy: labels have dtype bool, expected integers"),
    ("labels Tensor", lambda: sn.cross_entropy(A(2, 3), T(2)), TypeError, "cross_entropy: labels is a setting"),
    ("cross_entropy empty", lambda: sn.cross_entropy(A(0, 3), np.zeros(0, int)), ValueError,
     "cross_entropy: the mean of nothing: the batch is empty"),
    ("cross_entropy reduction", lambda: sn.cross_entropy(A(2, 3), [0, 1], "max"), ValueError,
     "cross_entropy: reduction is 'max', expected"),
    ("cross_entropy no classes", lambda: sn.cross_entropy(A(2, 0), [0, 1]), ValueError, r"cross_entropy: .*0 classes"),
    ("gaussian_kl numbers", lambda: sn.gaussian_kl(1.0, 1.0), ValueError, r"gaussian_kl: .*\(\)"),
]


@pytest.mark.parametrize("what, call, exception, pattern", BAD, ids=[row[0] for row in BAD])
def test_G8_bad_calls(what, call, exception, pattern, kernels):
    refused(call, exception, pattern)


def test_G8_there_are_eight_bad_calls_for_every_op():
    """The kinds of wrong input alone are eight for every op; functions that are not ops have rows of their own."""
    assert len(KINDS) >= 8
    for name in {name_of(f) for f in TABLE if not isinstance(f, Op)} - {"where"}:
        assert sum(name in what or name in pattern for what, _, _, pattern in BAD) >= 8, name


# ---- the engine ---------------------------------------------------------------------------------

def twice_backward(f=lambda x: x * x):
    y = f(T(1))
    y.backward()
    y.backward()


def backward_through_part_that_went():
    h = T(1) * 2.0
    (h * h).backward()
    (h + 1.0).backward()


def set_in_place():
    T(2)[0] = 1


def penalty_without_create_graph():
    x, w = T(2), T(2)
    slope = sn.grad((w * x * x).sum(), x)
    ((w * x).sum() + (slope * slope).sum()).backward()


def assign(name, value, t=None):
    setattr(t if t is not None else T(2), name, value)


def iterate(t):
    for _ in t:
        pass


ENGINE = [
    ("backward of many", lambda: (T(2) * 2.0).backward(), ValueError,
     r"backward: y has shape \(2,\).*reduce y.*or pass g of shape \(2,\)"),
    ("backward of a constant", lambda: sn.Tensor([1.0]).backward(), RuntimeError,
     "depends on nothing with requires_grad=True"),
    ("backward under no_grad", lambda: sn.Tensor([1.0]).sum().backward(), RuntimeError, "computed under no_grad"),
    ("g of another shape", lambda: (T(2) * 2.0).backward(A(3)), ValueError,
     r"backward: g is float64 \(3,\), expected float64 \(2,\)"),
    ("g that broadcasts", lambda: (T(2) * 2.0).backward(1.0), ValueError,
     r"backward: g is float64 \(\), expected float64 \(2,\)"),
    ("g of another dtype", lambda: (T(2) * 2.0).backward(sn.Tensor(A(2, dtype="f4"))), ValueError,
     "g is float32.*expected float64"),
    ("second pass", twice_backward, RuntimeError,
     "already went through mul at .*test_errors.py:[0-9]+ and released.*retain_graph=True"),
    ("second pass, conv", lambda: twice_backward(lambda x: sn.conv2d(x.reshape(1, 1, 1, 1), A(1, 1, 1, 1))), RuntimeError,
     "already went through conv2d"),
    ("second pass over a part", backward_through_part_that_went, RuntimeError, "already went through mul"),
    ("in place", set_in_place, TypeError, "tensors are not written in place"),
    ("np.exp", lambda: np.exp(T(2)), TypeError, ""),
    ("np.add", lambda: np.add(T(2), A(2)), TypeError, ""),
    ("np.asarray", lambda: np.asarray(T(2)), TypeError, r"NumPy function was given a Tensor.*t.numpy\(\)"),
    ("np.array", lambda: np.array([T(2), T(2)]), TypeError, "NumPy function was given a Tensor"),
    ("np.dot", lambda: np.dot(T(2), T(2)), TypeError, "np.dot was given a Tensor.*in silence: use"),
    ("np.where", lambda: np.where([True, False], T(2), 0.0), TypeError, "np.where was given a Tensor.*use sn.where"),
    ("np.sum", lambda: np.sum(T(2)), TypeError, "np.sum was given a Tensor"),
    ("np.concatenate", lambda: np.concatenate([T(2), T(2)]), TypeError, "np.concatenate was given a Tensor"),
    ("np.linalg.norm", lambda: np.linalg.norm(T(2)), TypeError, "np.norm was given a Tensor"),
    ("array +=", lambda: A(2).__iadd__(T(2)), TypeError, ""),
    ("data shape", lambda: assign("data", A(3)), ValueError, r"data: got shape \(3,\), expected \(2,\)"),
    ("data that broadcasts", lambda: assign("data", 1.0), ValueError, r"data: got shape \(\), expected \(2,\)"),
    ("data of a result", lambda: assign("data", A(2), T(2) * 2.0), ValueError, "data: only leaves"),
    ("grad shape", lambda: assign("grad", A(3)), ValueError, r"grad: got shape \(3,\), expected \(2,\)"),
    ("grad of a constant", lambda: assign("grad", A(2), sn.Tensor(A(2))), ValueError,
     "only a leaf with requires_grad=True"),
    ("requires_grad of a result", lambda: assign("requires_grad", False, T(2) * 2.0), ValueError,
     "leaves only.*detach"),
    ("a new attribute", lambda: assign("garden", A(2)), AttributeError, ""),
    ("item of many", lambda: T(2).item(), ValueError, r"item: expected a single number, got shape \(2,\)"),
    ("float of many", lambda: float(T(2)), ValueError, r"item: expected a single number, got shape \(2,\)"),
    ("truth of many", lambda: bool(T(2)), ValueError, r"shape \(2,\) is neither true nor false"),
    ("length of a number", lambda: len(sn.Tensor(1.0)), TypeError, "0-d tensor has no length"),
    ("iterating a number", lambda: iterate(sn.Tensor(1.0)), (TypeError, IndexError), "0-d|does not fit"),
    ("Tensor of text", lambda: sn.Tensor("one"), TypeError, "Tensor: cannot hold <U3; expected numbers"),
    ("Tensor of None", lambda: sn.Tensor(None), TypeError, "Tensor: cannot hold object"),
    ("Tensor of ragged", lambda: sn.Tensor([[1.0], [1.0, 2.0]]), ValueError, "inhomogeneous|ragged"),
    ("Tensor of half", lambda: sn.Tensor(A(2).astype(np.float16)), TypeError, "Tensor: cannot hold float16"),
    ("T * text", lambda: T(2) * "a", TypeError, "mul: b is 'a', expected"),
    ("T + None", lambda: T(2) + None, TypeError, "add: b is None, expected"),
    ("T of two dtypes", lambda: T(2) * T(2, dtype="f4"), TypeError, "mul: b is float32 but a is float64"),
    ("T @ 1-D", lambda: T(2) @ T(3), ValueError, "matmul: .* do not fit"),

    ("grad of a list", lambda: sn.grad(T(2).sum(), [A(2)]), TypeError,
     r"grad: xs\[0\] is a ndarray, expected a Tensor"),
    ("grad of an array", lambda: sn.grad(T(2).sum(), A(2)), TypeError, r"grad: xs is a \w+, expected a Tensor"),
    ("grad of many", lambda: sn.grad(T(2) * 2.0, T(2)), ValueError, r"y has shape \(2,\)"),
    ("penalty", penalty_without_create_graph, RuntimeError, "create_graph=False.*pass create_graph=True.*detach"),
    ("kernels", lambda: sn.use_kernels("cuda"), ValueError, "use_kernels: got 'cuda', expected \"numpy\" or \"numba\""),
    ("threads", lambda: sn.set_threads(0), ValueError, "set_threads: got 0, expected 1 or more"),
    ("rng", lambda: generator(1.5), TypeError, "rng: expected a np.random.Generator, an integer seed or None, got 1.5"),
    ("rng bool", lambda: generator(True), TypeError, "rng: expected.*got True"),

    ("Dense x", lambda: Dense(3, 2)(A(4, 2, dtype="f4")), ValueError, r"dense: x \(4, 2\) and w \(3, 2\) do not fit"),
    ("Dense float64", lambda: Dense(3, 2)(A(4, 3)), TypeError, "dense: w is float32 but x is float64"),
    ("Conv2d x", lambda: Conv2d(3, 2, 3)(A(1, 1, 5, 5, dtype="f4")), ValueError, "x has 1 channels but w expects 3"),
    ("Conv2d kernel", lambda: Conv2d(3, 2, 3)(A(1, 3, 2, 2, dtype="f4")), ValueError, "spans 3 rows.*only 2"),
    ("ConvTranspose2d", lambda: ConvTranspose2d(3, 2, 3, stride=2, output_padding=2)(A(1, 3, 2, 2, dtype="f4")), ValueError,
     "output_padding is 2"),
    ("MaxPool2d", lambda: MaxPool2d(3)(A(1, 1, 2, 2)), ValueError, "max_pool2d: the filter spans 3 rows"),
    ("AvgPool2d", lambda: AvgPool2d(2)(A(4, 4)), ValueError, r"avg_pool2d: x has shape \(4, 4\), expected 4 axes"),
    ("BatchNorm x", lambda: BatchNorm(3)(T(2, 4)), ValueError,
     r"BatchNorm: x \(2, 4\), expected \(N, 3\) or \(N, 3, H, W\)"),
    ("BatchNorm ndim", lambda: BatchNorm(3)(T(2, 3, 4)), ValueError, r"BatchNorm: x \(2, 3, 4\), expected"),
    ("BatchNorm of one", lambda: BatchNorm(3)(T(1, 3, dtype="f4")), ValueError,
     "one value per channel has no variance; use a larger batch, or .eval"),
    ("Dropout p", lambda: Dropout(1.0), ValueError, r"Dropout: p is 1.0, expected a probability in \[0, 1\)"),
    ("Dropout p < 0", lambda: Dropout(-0.1), ValueError, "Dropout: p is -0.1"),
    ("Layer", lambda: Layer()(1), TypeError, r"Layer must define forward\(self, x\)"),
    ("Sequential", lambda: Sequential(Dense(3, 2), Dense(3, 2))(A(1, 3, dtype="f4")), ValueError,
     r"dense: x \(1, 2\) and w \(3, 2\) do not fit"),
]


@pytest.mark.parametrize("what, call, exception, pattern", ENGINE, ids=[row[0] for row in ENGINE])
def test_engine_errors(what, call, exception, pattern):
    if exception is AttributeError:
        pytest.raises(exception, call)
    else:
        refused(call, exception, pattern)


# ---- refusals that must come before anything has changed ----------------------------------------

def test_a_refused_penalty_leaves_every_grad_alone():
    """The gradient penalty of WGAN-GP: without create_graph=True it is an error, not a silent zero."""
    x, w = T(2), T(2)
    w.grad = np.array([5.0, 5])
    loss = (w * x).sum() + (sn.grad((w * x * x).sum(), x) ** 2.0).sum()
    with pytest.raises(RuntimeError, match="create_graph=True"):
        loss.backward()
    assert np.array_equal(w.grad, [5, 5]) and x.grad is None
    d = sn.grad((w * x * x).sum(), x, create_graph=True)
    assert np.array_equal(w.grad, [5, 5]) and x.grad is None   # sn.grad never touches .grad
    (d ** 2.0).sum().backward()
    assert np.array_equal(w.grad, [5 + 8, 5 + 8])


def test_a_refused_second_pass_leaves_every_grad_alone():
    a, b = T(1), T(1)
    h = a * 2.0
    (h * h).backward()
    with pytest.raises(RuntimeError, match="already went through"):
        (b * 3.0 + h).backward()
    assert a.grad == 8 and b.grad is None


# ---- mistakes in an op of one's own -------------------------------------------------------------

@pytest.fixture
def own_ops(monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))


def double(rule, forward=lambda x: 2 * x, fast=None):
    """An op y = 2x with the given rule, and its call on two numbers."""
    def double(x): return forward(x)
    f = sn.op(double)
    if rule:
        f.vjp("x")(rule)
    if fast:
        f.fast_vjp(fast)
    return f(T(2)).sum().backward()


OWN = [                                         # what, rule, forward, exception, pattern
    ("no rule", None, None, TypeError, r"double has no rule for its input 'x': write one with @double.vjp\('x'\)"),
    ("unknown name", lambda g, z: g, None, TypeError, "double: a rule reads 'z', which is neither an input"),
    ("None", lambda g: None, None, ValueError,
     r"double at .*: the rule for 'x' returned None, expected float64 \(2,\)"),
    ("shape", lambda g: g.sum(), None, ValueError,
     r"the rule for 'x' returned float64 \(\), expected float64 \(2,\) like x.*fit\("),
    ("longer", lambda g: np.ones(3), None, ValueError, r"returned float64 \(3,\), expected float64 \(2,\)"),
    ("dtype", lambda g: g.astype(np.float32), None, ValueError, r"returned float32 \(2,\), expected float64 \(2,\)"),
    ("kept float", lambda g, k: g * k, lambda x: sn.keep(2 * x, k=0 * x + 2), TypeError,
     "a plain rule reads 'k', a float kept by the forward.*fast_vjp"),
    ("forward dtype", lambda g: 2 * g, lambda x: (2 * x).astype(np.float32), TypeError,
     "double: its forward returned float32 for inputs of float64"),
]


@pytest.mark.parametrize("what, rule, forward, exception, pattern", OWN, ids=[row[0] for row in OWN])
def test_mistakes_in_an_op_of_ones_own(what, rule, forward, exception, pattern, own_ops):
    refused(lambda: double(rule, forward or (lambda x: 2 * x)), exception, pattern)


def test_a_fast_rule_may_read_kept_floats(own_ops):
    double(lambda g: 2.0 * g, lambda x: sn.keep(2 * x, k=0 * x + 2), fast=lambda want, g, k: {"x": g * k})


def test_an_op_name_is_taken_once_per_module(own_ops):
    double(lambda g: 2.0 * g)
    refused(lambda: double(lambda g: 2.0 * g), ValueError, "already has an op named 'double'; choose another name")

    def relu(x): return x                       # ours stays what it is: another module, another op
    assert sn.op(relu) is not sn.relu and ("scratchnet.ops.elementwise", "relu") in Op.registry


def test_a_rule_for_an_input_that_is_none(own_ops):
    refused(lambda: sn.relu.vjp("z"), ValueError, r"relu.vjp: no input 'z'; the inputs are \('x',\)")
    refused(lambda: sn.replaced(sn.relu, "z", lambda g: g).__enter__(), ValueError, "relu.vjp: no input 'z'")


def test_a_replaced_rule_that_reads_more_needs_the_forward_inside(own_ops):
    y = sn.relu(T(2)).sum()
    with sn.replaced(sn.relu, "x", lambda g, x: g * (x > 0)):
        refused(y.backward, RuntimeError,
     r"reads 'x', which this forward did not save; with sn.replaced, run forward and backward both inside")
