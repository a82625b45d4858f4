"""What can be learned from a forward beside its numbers: its settings and what it computes on the way.

    settings        numbers and float arrays it takes by default, from functools.partial, from the scope around
                    it, or from its object: backward may have forgotten each of them (stride, noise, target)
    intermediates   its local variables when it returns, by name: what a factor in backward may be
"""
from __future__ import annotations

import copy
import functools
import inspect
import sys
import types
from typing import Any, Callable, Mapping

import numpy as np

PLAIN = (int, float, np.integer, np.floating, np.ndarray)


def settings(f: Callable, count: int) -> dict[str, Any]:
    """name → value of the numbers and arrays that f uses besides its first `count` parameters."""
    found: dict[str, Any] = {}
    if isinstance(f, functools.partial):
        found.update(settings(f.func, count + len(f.args)))
        found.update({k: v for k, v in f.keywords.items() if is_plain(v)})
        return found
    owner = getattr(f, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        found.update({k: v for k, v in attributes(owner).items() if is_plain(v)})
    f = getattr(f, "__func__", f)
    if not isinstance(f, types.FunctionType):
        return found
    names = list(inspect.signature(f).parameters.values())[count:]
    found.update({p.name: p.default for p in names if is_plain(p.default)})
    for name, v in scope(f).items():
        if is_plain(v):
            found.setdefault(name, v)
        elif hasattr(v, "__dict__") and not isinstance(v, (types.ModuleType, type)) and not callable_function(v):
            found.update({f"{name}.{k}": a for k, a in attributes(v).items() if is_plain(a)})
    return found


def scope(f: types.FunctionType) -> dict[str, Any]:
    """What f's own text takes from the functions around it and from its module."""
    found = {name: f.__globals__[name] for name in f.__code__.co_names if name in f.__globals__}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:                      # not assigned yet
            continue
    return {k: v for k, v in found.items() if not k.startswith("__")}


def is_plain(v) -> bool:
    return isinstance(v, PLAIN) and not isinstance(v, bool)


def callable_function(v) -> bool:
    return isinstance(v, (types.FunctionType, types.BuiltinFunctionType, np.ufunc))


def attributes(owner) -> dict:
    return dict(getattr(owner, "__dict__", {}))


def changed(f: Callable, changes: Mapping[str, Any]) -> Callable:
    """f with some of its settings replaced; f itself is left alone."""
    if not changes:
        return f
    if isinstance(f, functools.partial):
        given = {k: v for k, v in changes.items() if k in f.keywords}
        rest = {k: v for k, v in changes.items() if k not in f.keywords}
        return functools.partial(changed(f.func, rest), *f.args, **{**f.keywords, **given})
    owner = getattr(f, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return types.MethodType(f.__func__, with_attributes(owner, {k: v for k, v in changes.items() if hasattr(owner, k)}))
    if not isinstance(f, types.FunctionType):
        return f
    by_name = {k: v for k, v in changes.items() if k in inspect.signature(f).parameters}
    around = {k: v for k, v in scope(f).items() if k in changes or any(c.startswith(k + ".") for c in changes)}
    for name, v in around.items():
        inside = {c[len(name) + 1:]: u for c, u in changes.items() if c.startswith(name + ".")}
        around[name] = with_attributes(v, inside) if inside else changes[name]
    cells = tuple(types.CellType(around[name]) if name in around else cell
                  for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()))
    new = types.FunctionType(f.__code__, {**f.__globals__, **around} if around else f.__globals__, f.__name__,
                             f.__defaults__, cells or None)
    new.__kwdefaults__ = f.__kwdefaults__
    return functools.partial(new, **by_name) if by_name else new


def with_attributes(owner, values: Mapping[str, Any]):
    other = copy.copy(owner)
    for name, v in values.items():
        setattr(other, name, v)
    return other


def intermediates(code: Callable | None, run: Callable) -> dict[str, np.ndarray]:
    """The local arrays of `code`, and of functions of the same file that it calls, as they were on return."""
    code = getattr(unwrapped(code), "__code__", None)
    found: dict[str, np.ndarray] = {}
    if code is None:
        return found

    def note(frame, event, _):
        if event == "return" and frame.f_code.co_filename == code.co_filename:
            for name, v in frame.f_locals.items():
                if isinstance(v, np.ndarray) and v.dtype.kind in "fb" and v.size < 10 ** 6:
                    if frame.f_code is code or name not in found:
                        found[name] = v.copy()
            for name, v in attributes(frame.f_locals.get("self")).items():
                if isinstance(v, np.ndarray) and v.dtype.kind in "fb":
                    found.setdefault(name, v.copy())
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return found


def unwrapped(f):
    while isinstance(f, functools.partial):
        f = f.func
    return getattr(f, "__func__", f)
