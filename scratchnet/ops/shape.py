"""Ops that move numbers without changing them, in pairs that undo or sum up each other's moves.

    reshape ↔ reshape     transpose ↔ its inverse     pad ↔ crop     getitem ↔ scatter_add
    concatenate and stack: the gradient for input number `position` is cut out of g by getitem

Derivation   y[j] = x[σ(j)]: each ∂y[j]/∂x[i] is 1 or 0, so ∂L/∂x[i] = Σ g[j] over all j with σ(j) = i.
             Where σ is one to one that is the inverse move; where an entry was read several times
             (getitem with repeated indices) the sum is scatter_add; entries nobody read receive 0.
Shapes       given with each op.
Errors       ValueError or IndexError naming the shape and the setting that do not fit.
Source       NumPy reference, "Array manipulation routines" and "Indexing on ndarrays".
"""
import operator

import numpy as np

from ..op import op


@op
def reshape(x, *, shape):
    """y = the same numbers in the same order as `shape` (one length may be −1: whatever is left)."""
    try:
        return x.reshape(shape)
    except (TypeError, ValueError) as e:
        raise ValueError(f"reshape: x of shape {x.shape} has {x.size} numbers, which do not fill {shape}") from e
@reshape.vjp("x")
def reshape_dx(g, x_shape): return reshape(g, shape=x_shape)


@op
def transpose(x, *, axes=None):
    """y.shape[i] = x.shape[axes[i]]; axes=None reverses them."""
    try:
        return x.transpose(None if axes is None else tuple(axes))
    except (TypeError, ValueError) as e:
        raise ValueError(f"transpose: axes {axes} must name each of x's {x.ndim} axes once (x {x.shape})") from e
@transpose.vjp("x")
def transpose_dx(g, axes):
    return transpose(g, axes=None if axes is None else tuple(np.argsort([a % g.ndim for a in axes])))


@op(sequence="xs")
def concatenate(xs, *, axis=0):
    """y = the xs one after the other along `axis`; all other lengths are equal."""
    check_alike("concatenate", xs, axis, but_axis=True)
    return np.concatenate(xs, axis=axis)
@concatenate.vjp("xs")
def concatenate_dxs(g, position, xs_shape, axis):
    start = sum(shape[axis] for shape in xs_shape[:position])
    part = slice(start, start + xs_shape[position][axis])
    return getitem(g, index=(slice(None),) * (axis % g.ndim) + (part,))


@op(sequence="xs")
def stack(xs, *, axis=0):
    """y = the xs, all of one shape, along a new axis number `axis`."""
    check_alike("stack", xs, axis, but_axis=False)
    return np.stack(xs, axis=axis)
@stack.vjp("xs")
def stack_dxs(g, position, axis):
    return getitem(g, index=(slice(None),) * (axis % g.ndim) + (position,))


@op
def pad(x, *, width):
    """y = x with zeros around it.  width: one int for all sides, or a (before, after) per axis."""
    sides = widths("pad", x, width)
    return np.pad(x, sides) if sides else x                    # a single number has no sides
@pad.vjp("x")
def pad_dx(g, width): return crop(g, width=width)


@op
def crop(x, *, width):
    """y = x without `width` entries at its sides: undoes pad, and is its adjoint."""
    sides = widths("crop", x, width)
    if any(n < before + after for n, (before, after) in zip(x.shape, sides)):
        raise ValueError(f"crop: width {width} takes more than there is of x {x.shape}")
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, sides))]
@crop.vjp("x")
def crop_dx(g, width): return pad(g, width=width)


@op
def getitem(x, *, index):
    """y = x[index], with NumPy's indexing: integers, slices, arrays of integers or booleans."""
    try:
        return x[index]
    except IndexError as e:
        raise IndexError(f"index {index!r} does not fit a tensor of shape {x.shape}: {e}") from e
@getitem.vjp("x")
def getitem_dx(g, x_shape, index): return scatter_add(g, shape=x_shape, index=index)


@op
def scatter_add(g, *, shape, index):
    """x = zeros of `shape`; x[index] += g, where entries that are named twice add up."""
    x = np.zeros(shape, g.dtype)
    try:
        np.add.at(x, index, g)
    except (IndexError, ValueError) as e:
        raise ValueError(f"scatter_add: g of shape {g.shape} does not fit index {index!r} of {tuple(shape)}: {e}") from e
    return x
@scatter_add.vjp("g")
def scatter_add_dg(h, index): return getitem(h, index=index)


def widths(name: str, x, width) -> list:
    """width as a list of (before, after), one pair per axis of x."""
    try:
        sides = [(operator.index(before), operator.index(after)) for before, after in
                 ([(width, width)] * x.ndim if np.isscalar(width) else width)]
    except (TypeError, ValueError):
        sides = None
    if sides is None or len(sides) != x.ndim or any(n < 0 for pair in sides for n in pair):
        raise ValueError(f"{name}: width {width!r} for x {x.shape}, expected one int ≥ 0 or {x.ndim} pairs "
                         "(before, after)")
    return sides


def check_alike(name: str, xs: list, axis: int, but_axis: bool) -> None:
    if not xs:
        raise ValueError(f"{name}: the list is empty")
    shapes = [x.shape for x in xs]
    ndim = len(shapes[0]) + (not but_axis)
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis!r} does not exist for shapes {shapes}")
    rest = [s[:axis % ndim] + s[axis % ndim + 1:] if but_axis and s else s for s in shapes]
    if len(set(rest)) > 1 or len({len(s) for s in shapes}) > 1:
        raise ValueError(f"{name}: shapes must be equal{' but along axis ' + str(axis) if but_axis else ''}, got {shapes}")
