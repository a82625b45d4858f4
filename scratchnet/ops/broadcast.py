"""Broadcasting and its adjoint: what one spreads, the other sums.

    y = broadcast_to(x, shape)    repeats x along new leading axes and axes of length 1
    x = sum_to(y, shape)          adds up those repetitions

Derivation   With S(x, g) = ⟨g, broadcast_to(x)⟩, every entry of x meets all entries of g that it was
             repeated to, so ∂S/∂x is their sum, sum_to(g).  S is linear in both: the rules swap.
Shapes       NumPy's rules: aligned from the last axis, each length equal or 1.
Errors       ValueError where `shape` and the array's shape do not align.
Source       NumPy user guide, "Broadcasting"; adjoints of linear maps, any text on linear algebra.
"""
import numpy as np

from ..op import op


@op
def broadcast_to(x, *, shape):
    """y[…] = x repeated to `shape`."""
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    try:
        return np.broadcast_to(x, shape)
    except (TypeError, ValueError) as e:
        raise ValueError(f"broadcast_to: x of shape {x.shape} cannot be repeated to {shape}; aligned from "
                         "the last axis, every length must be equal or 1") from e


@broadcast_to.vjp("x")
def broadcast_to_dx(g, x_shape):
    return sum_to(g, shape=x_shape)


@op
def sum_to(x, *, shape):
    """y = x summed over the axes along which `shape` was broadcast."""
    lead = x.ndim - len(shape)
    ones = tuple(i for i, n in enumerate(shape, start=lead) if n == 1 and x.shape[i] != 1)
    if lead < 0 or any(n not in (1, x.shape[i]) for i, n in enumerate(shape, start=lead)):
        raise ValueError(f"sum_to: {tuple(shape)} does not broadcast to x's shape {x.shape}")
    return x.sum(axis=tuple(range(lead)) + ones, keepdims=True).reshape(shape)


@sum_to.vjp("x")
def sum_to_dx(g, x_shape):
    return broadcast_to(g, shape=x_shape)


def fit(g, shape):
    """g summed back to `shape`, from which broadcasting made it; g itself where nothing was repeated."""
    return g if g.shape == shape else sum_to(g, shape=shape)


def broadcast_shape(name: str, **arrays) -> tuple:
    """The common shape of the named arrays, or a ValueError that says which do not align."""
    if len({a.shape for a in arrays.values()}) == 1:
        return next(iter(arrays.values())).shape
    try:
        return np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError as e:
        shapes = ", ".join(f"{k} {a.shape}" for k, a in arrays.items())
        raise ValueError(f"{name}: shapes do not fit together: {shapes}; aligned from the last axis, every "
                         "length must be equal or 1") from e
