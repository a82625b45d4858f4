"""G8: bad calls of single ops, each refused by a sentence with the argument, what was got and what was expected."""
from __future__ import annotations

import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.op import Op
from scratchnet.ops import broadcast, conv, pool, shape
from scratchnet.ops.matmul import product
from tests.error_tools import A, T, refused
from tests.op_cases import TABLE, name_of
from tests.test_errors import KINDS

nan, inf = np.nan, np.inf
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
    ("slope < 0", lambda: sn.ops.conv2d_relu(X, W, slope=-0.1), ValueError, "conv2d_relu: slope is -0.1, expected 0"),
    ("chain slope", lambda: sn.ops.conv_chain(X, [W, A(len(W))], stages=[sn.ops.Stage(slope=-1)]), ValueError,
     "conv_chain: slope is -1, expected 0"),
    ("chain weights", lambda: sn.ops.conv_chain(X, [W], stages=[sn.ops.Stage()]), ValueError,
     "conv_chain: 1 weights for 1 stages, expected w and b of each"),
    ("chain of nothing", lambda: sn.ops.conv_chain(X, [], stages=[]), ValueError, "0 weights for 0 stages, .* one or more"),
    ("chain, second stage", lambda: sn.ops.conv_chain(X, [W, A(len(W))] * 2, stages=[sn.ops.Stage()] * 2), ValueError,
     "conv2d: x has . channels but w expects"),
    ("chain, padding", lambda: sn.ops.conv_chain(X, [W, A(len(W))], stages=[sn.ops.Stage(padding=-1)]), ValueError,
     "padding is -1, expected at least 0"),
    ("batch_norm shapes", lambda: sn.ops.batch_norm(X, A(1), A(X.shape[1])), ValueError, r"batch_norm: x .*, gamma \(1,\) and beta"),
    ("batch_norm sizes", lambda: sn.ops.batch_norm(X, A(1), A(1)), ValueError, "expected images"),
    ("batch_norm slope", lambda: sn.ops.batch_norm(X, A(X.shape[1]), A(X.shape[1]), slope=-1), ValueError, "slope is -1, expected 0"),
    ("slope NaN", lambda: sn.ops.conv_transpose2d_relu(G, W, slope=np.nan), ValueError, "slope is nan, expected 0"),
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
      for f in (sn.max_pool2d, sn.avg_pool2d)
      for kw in ({"size": 0}, {"size": (2, 2, 2)}, {"size": 1.5}, {"size": None},
                 {"stride": 0}, {"stride": (1, -1)}, {"padding": -1}, {"padding": "same"}) for k, v in kw.items()],
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
    ("dense chain slope", lambda: sn.ops.dense_chain(A(5, 3), [A(3, 2), A(2)], slopes=[-1]), ValueError,
     "dense_chain: slope is -1, expected 0"),
    ("dense chain weights", lambda: sn.ops.dense_chain(A(5, 3), [A(3, 2)], slopes=[1]), ValueError,
     "dense_chain: 1 weights for 1 layers, expected w and b of each"),
    ("dense chain of nothing", lambda: sn.ops.dense_chain(A(5, 3), [], slopes=[]), ValueError, "0 weights for 0 layers, .* one or more"),
    ("dense chain, second layer", lambda: sn.ops.dense_chain(A(5, 3), [A(3, 2), A(2)] * 2, slopes=[1, 1]), ValueError,
     r"dense_chain: x \(5, 2\) and w \(3, 2\) do not fit"),
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
      for f in (sn.pad, shape.crop)
      for width in (-1, [(1, 1)], [(1, 1), (0, -1)], [(1, 1, 1), (0, 0, 0)], [1, 1], 1.5, [(0.5, 1), (0, 0)], "ab", None)],
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
      for f in (sn.sum, sn.mean, sn.var, sn.max, sn.logsumexp, sn.softmax, sn.log_softmax)
      for axis in (2, -3, "rows", 0.0)],
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
      rf"cross_entropy: logits {re.escape(str(s))}, labels \(2,\); expected \(N, M\)")
      for s in ((2,), (2, 3, 4), (3, 3))],
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
