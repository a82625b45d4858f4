"""Matrix products: one scalar S whose partial derivatives are the product and both its gradients.

    S(x, w, g) = Σ g[n,m] · x[n,d] · w[d,m]        summed over every index

S is linear in each of x, w and g, so a derivative just leaves that factor out of the sum:
    ∂S/∂g = x @ w  (N,M)  the product      ∂S/∂x = g @ wᵀ  (N,D)      ∂S/∂w = xᵀ @ g  (D,M)

Derivation   y = x @ w, g = ∂L/∂y.  ∂L/∂x[n,d] = Σ g[n,m] ∂y[n,m]/∂x[n,d] = Σ g[n,m] w[d,m] = (g @ wᵀ)[n,d].
Shapes       matmul: a (…,N,D), b (…,D,M) → (…,N,M); leading axes broadcast; a 1-D input is a single
             row (a) or column (b), and that axis is missing from y.
             dense: x (…,D), w (D,M), b (M,) → (…,M), y = x @ w + b.
Errors       ValueError when the inner lengths differ; the message prints both shapes.
Source       Petersen & Pedersen, The Matrix Cookbook, §2.5; Goodfellow et al. 2016, §6.5.6.
"""
import math

import numpy as np

from ..arguments import as_array
from ..op import op
from .broadcast import fit
from .matmul_kernels import matmul_dw, matmul_dx, matmul_y
from .reduce import sum
from .shape import reshape, transpose


@op
def product(a, b):
    """y[…,n,m] = Σ_d a[…,n,d] · b[…,d,m]"""
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: a {a.shape} and b {b.shape} do not fit: the rows of a and the columns of b "
                         "must be equally long, a (…, N, D) and b (…, D, M)")
    leading_axes_fit(a.shape[:-2], b.shape[:-2])
    return np.matmul(a, b)


@product.vjp("a")
def product_da(g, b, a_shape):
    return fit(product(g, swap(b)), a_shape)                   # (…,N,M) @ (…,M,D)


@product.vjp("b")
def product_db(g, a, b_shape):
    return fit(product(swap(a), g), b_shape)                   # (…,D,N) @ (…,N,M)


def leading_axes_fit(a: tuple, b: tuple) -> None:
    try:
        np.broadcast_shapes(a, b)
    except ValueError as e:
        raise ValueError(f"matmul, leading axes: shapes do not fit together: a {a}, b {b}") from e


def matmul(a, b):
    """a @ b: the product of matrices, where a 1-D a is a single row and a 1-D b a single column."""
    dtype = next((v.dtype for v in (a, b) if hasattr(v, "dtype")), np.float32)
    a, b = (v if hasattr(v, "ndim") else as_array("matmul", name, v, dtype) for name, v in (("a", a), ("b", b)))
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a {a.shape}, b {b.shape}: a single number is no matrix; use a * b")
    y = product(reshape(a, (1, -1)) if a.ndim == 1 else a, reshape(b, (-1, 1)) if b.ndim == 1 else b)
    kept = y.shape[:-2] + (() if a.ndim == 1 else y.shape[-2:-1]) + (() if b.ndim == 1 else y.shape[-1:])
    return y if y.shape == kept else reshape(y, kept)


def swap(a):
    """aᵀ: the last two axes exchanged."""
    return transpose(a, axes=(*range(a.ndim - 2), a.ndim - 1, a.ndim - 2))


@op
def dense(x, w, b=None):
    """y[…,m] = Σ_d x[…,d] · w[d,m] + b[m]"""
    check_dense("dense", x, w, b)
    return matmul_y(as_rows(x), w, b).reshape(*x.shape[:-1], w.shape[1])


def check_dense(name: str, x, w, b) -> None:
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[0]:
        raise ValueError(f"{name}: x {x.shape} and w {w.shape} do not fit: x must be (…, D) and w (D, M) with "
                         "the same D; flatten images first, or change the layer's input size")
    if b is not None and b.shape != w.shape[1:]:
        raise ValueError(f"{name}: b {b.shape}, expected {w.shape[1:]}: one number per column of w {w.shape}")


@dense.vjp("x")
def dense_dx(g, w):
    return matmul(g, transpose(w))                             # (…,M) @ (M,D)


@dense.vjp("w")
def dense_dw(g, x, w_shape):
    D, M = w_shape
    return product(transpose(reshape(x, shape=(-1, D))), reshape(g, shape=(-1, M)))   # (D,N) @ (N,M)


@dense.vjp("b")
def dense_db(g):
    return sum(g, axis=tuple(range(g.ndim - 1)))               # b was added to every row


@dense.fast_vjp
def dense_fast(want, g, x, w):
    """The same rules by the kernels: two thirds of BLAS's time."""
    return dense_back(want, as_rows(g), x, w)


def dense_back(want, g, x, w):
    """{name: gradient} from g (N,M)"""
    return {"x": matmul_dx(g, w).reshape(x.shape) if "x" in want else None,
            "w": matmul_dw(as_rows(x), g) if "w" in want else None,
            "b": g.sum(axis=0) if "b" in want else None}


def as_rows(x):
    """x (…,D) as a matrix (N,D)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
