"""What every op refuses, and in which words: the op, the argument, what was got, what was expected (G8).

Bad calls of single ops are in test_errors_ops.py; of the engine and of an op of one's own in test_errors_engine.py.
"""
from __future__ import annotations

import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.op import Op
from tests.conftest import for_all
from tests.error_tools import A, T, refused
from tests.op_cases import TABLE, cases, name_of

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
        if name != op.sequence and good.get(name) is not None:
            call = {**good, name: good[name].astype(np.float32)}
            refused(lambda: op(**call), TypeError, rf"{op.name}: {name} is float32 but \w+ is float64, expected one dtype")
    if op.sequence:
        call = {**good, op.sequence: [A(2, 2), A(2, 2, dtype=np.float32)]}
        refused(lambda: op(**call), TypeError, rf"{op.sequence} is float32 but \w+ is float64, expected one dtype")


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
