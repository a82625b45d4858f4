"""A dense layer and the ReLU behind it, leaky or not, as one op: the same numbers as the two, in fewer passes over memory.

    y = relu(x @ w + b)          relu(z) = z where z > 0, else slope·z         slope 0: ReLU

Derivation   with z = x @ w + b:  ∂L/∂z = ∂L/∂y where y > 0, else slope·∂L/∂y (y > 0 just where z > 0, as slope ≥ 0).
             From h = ∂L/∂z on, the rules are those of dense (matmul.py):  ∂L/∂x = h @ wᵀ,  ∂L/∂w = xᵀ @ h,  ∂L/∂b = Σ h.
Shapes       x (…,D), w (D,M), b (M,) → (…,M)
Errors       those of dense; ValueError: slope < 0
Source       Goodfellow et al. 2016, §6.3.1 and §6.5.6.

Training runs it, as it runs the ops of conv_relu.py: inside `with joined():` (layers.py).
"""
from ..op import op
from .conv_relu import before_relu, check_slope
from .elementwise_kernels import leaky_slope, where_positive
from .matmul import as_rows, check_dense, dense_back, dense_db, dense_dw, dense_dx
from .matmul_kernels import matmul_y


@op
def dense_relu(x, w, b=None, *, slope=0.0):
    """y[…,m] = relu(Σ_d x[…,d] · w[d,m] + b[m]),  relu(z) = z where z > 0, else slope·z"""
    check_dense("dense_relu", x, w, b)
    check_slope("dense_relu", slope)
    return matmul_y(as_rows(x), w, b, slope).reshape(*x.shape[:-1], w.shape[1])


@dense_relu.vjp("x")
def dense_relu_dx(g, y, w, slope):
    return dense_dx(before_relu(g, y, slope), w)


@dense_relu.vjp("w")
def dense_relu_dw(g, y, x, w_shape, slope):
    return dense_dw(before_relu(g, y, slope), x, w_shape)


@dense_relu.vjp("b")
def dense_relu_db(g, y, slope):
    return dense_db(before_relu(g, y, slope))


@dense_relu.fast_vjp
def dense_relu_fast(want, g, y, x, w, slope):
    h = where_positive(g, y) if slope == 0 else leaky_slope(g, y, slope)
    return dense_back(want, as_rows(h), x, w)
