"""The door of every op: arguments by name, inputs as arrays of one float dtype, or a clear refusal."""
from __future__ import annotations

import numpy as np

from .tensor import FLOATS, Tensor, sealed


def bind(op, args: tuple, kwargs: dict) -> dict:
    """{parameter: value}, defaults filled in."""
    given = {**op.defaults, **dict(zip(op.parameters, args)), **kwargs}
    if len(args) > len(op.parameters) or given.keys() != op.names or not kwargs.keys().isdisjoint(op.parameters[:len(args)]):
        refuse(op, args, kwargs)
    return given


def refuse(op, args: tuple, kwargs: dict) -> None:
    """TypeError: what is wrong with the arguments of this call."""
    signature = f"{op.name}({', '.join(op.parameters)})"
    if len(args) > len(op.parameters):
        raise TypeError(f"{signature} was given {len(args)} arguments, expected at most {len(op.parameters)}")
    for name in kwargs:
        if name in op.parameters[:len(args)]:
            raise TypeError(f"{signature} was given {name!r} twice")
        if name not in op.parameters:
            raise TypeError(f"{signature} has no argument {name!r}")
    missing = [p for p in op.parameters[len(args):] if p not in kwargs and p not in op.defaults]
    raise TypeError(f"{signature} needs {', '.join(missing)}")


def each_input(op, given: dict) -> list[tuple]:
    """(name, position, value) of every input; position counts where the input is a sequence."""
    found = []
    for name in op.inputs:
        if name != op.sequence:
            found.append((name, None, given[name]))
        elif isinstance(given[name], (list, tuple)):
            found += [(name, position, value) for position, value in enumerate(given[name])]
        else:
            raise TypeError(f"{op.name}: {name} is a {type(given[name]).__name__}, expected a list or tuple of arrays or "
                            "Tensors")
    return found


def admit(op, given: dict, inputs: list[tuple]) -> tuple[dict, np.dtype]:
    """The values with inputs as arrays, and their dtype, which Python numbers and lists take on."""
    dtype = common_dtype(op, inputs)
    values = dict(given)
    for name in op.inputs:
        if name == op.sequence:
            values[name] = [as_array(op.name, name, v, dtype) for v in given[name]]
        elif given[name] is not None or op.defaults.get(name, ...) is not None:
            values[name] = as_array(op.name, name, given[name], dtype)   # an input that may be None stays so
    for name in op.parameters[len(op.inputs):]:
        if isinstance(given[name], Tensor):
            raise TypeError(f"{op.name}: {name} is a setting, to which no gradient flows; pass a plain "
                            "value or an array (t.numpy()) instead of a Tensor")
        if isinstance(given[name], np.floating):
            values[name] = float(given[name])   # a Python number, which takes the dtype of the arrays
    return values, dtype


def common_dtype(op, inputs: list[tuple]) -> np.dtype:
    """float32, float64 or complex128; reals of float64 may join complex numbers, nothing else mixes."""
    dtype, source = None, None
    for name, _, v in inputs:
        if not isinstance(v, (np.ndarray, Tensor, np.complexfloating)):
            continue                            # a complex number cannot take on a real dtype
        if v.dtype not in FLOATS:
            raise TypeError(f"{op.name}: {name} has dtype {v.dtype}, expected float32 or float64; convert "
                            f"it with {name}.astype(np.float32) or sn.Tensor({name})")
        if dtype is None or (dtype == np.float64 and v.dtype.kind == "c"):
            dtype, source = v.dtype, name
        elif v.dtype != dtype and not (dtype.kind == "c" and v.dtype == np.float64):
            raise TypeError(f"{op.name}: {name} is {v.dtype} but {source} is {dtype}, expected one dtype for "
                            f"all inputs: {name}.astype(np.{dtype}), or the other way round; a model is converted "
                            "by model.astype(…)")
    if dtype is None:                           # numbers and lists only
        scalars = [v.dtype for _, _, v in inputs if isinstance(v, np.generic)]
        dtype = next((d for d in scalars if d in FLOATS), FLOATS[0])
    return dtype


def as_array(who: str, name: str, value, dtype) -> np.ndarray:
    if isinstance(value, Tensor):
        return sealed(value._array)
    if isinstance(value, np.ndarray):
        return sealed(value)
    try:
        if value is None:
            raise TypeError
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as e:
        raise TypeError(f"{who}: {name} is {value!r:.60}, expected an array, a Tensor or a number "
                        f"that fits {dtype}") from e
