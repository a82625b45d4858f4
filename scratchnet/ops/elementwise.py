"""Elementwise ops: y[i] depends on x[i] alone, so ∂L/∂x[i] = g[i] · y'(x[i]).

Derivation   The Jacobian ∂y[j]/∂x[i] is zero for j ≠ i; the chain rule's sum has one term.  Where an
             input was broadcast, each of its entries met many outputs: `fit` adds those terms up.
Shapes       two inputs broadcast as in NumPy; y has their common shape, a gradient its input's.
At kinks     relu'(0) = 0, leaky_relu'(0) = slope, |x|' = 0 at 0; on a tie maximum and minimum send
             g to a; clip passes g on at its bounds.
Errors       ValueError: shapes that do not broadcast.  TypeError: dtypes that differ or are not floats.
Source       any calculus text; the stable forms of sigmoid and softplus as in Mächler 2012,
             "Accurately computing log(1 − exp(−|a|))".
"""
import numpy as np

from ..op import op
from .broadcast import broadcast_shape, fit
from .elementwise_kernels import leaky_part, leaky_slope, positive_part, where_positive

# ---- arithmetic: two inputs ---------------------------------------------------------------------


@op
def add(a, b):
    """y = a + b.    ∂y/∂a = 1,  ∂y/∂b = 1"""
    broadcast_shape("add", a=a, b=b)
    return a + b
@add.vjp("a")
def add_da(g, a_shape): return fit(g, a_shape)
@add.vjp("b")
def add_db(g, b_shape): return fit(g, b_shape)


@op
def sub(a, b):
    """y = a − b.    ∂y/∂a = 1,  ∂y/∂b = −1"""
    broadcast_shape("sub", a=a, b=b)
    return a - b
@sub.vjp("a")
def sub_da(g, a_shape): return fit(g, a_shape)
@sub.vjp("b")
def sub_db(g, b_shape): return fit(-g, b_shape)


@op
def mul(a, b):
    """y = a·b.    ∂y/∂a = b,  ∂y/∂b = a"""
    broadcast_shape("mul", a=a, b=b)
    return a * b
@mul.vjp("a")
def mul_da(g, b, a_shape): return fit(g * b, a_shape)
@mul.vjp("b")
def mul_db(g, a, b_shape): return fit(g * a, b_shape)


@op
def div(a, b):
    """y = a / b.    ∂y/∂a = 1/b,  ∂y/∂b = −a/b² = −y/b"""
    broadcast_shape("div", a=a, b=b)
    return a / b
@div.vjp("a")
def div_da(g, b, a_shape): return fit(g / b, a_shape)
@div.vjp("b")
def div_db(g, b, y, b_shape): return fit(-g * y / b, b_shape)


@op
def power(a, b):
    """y = aᵇ.    ∂y/∂a = b·aᵇ⁻¹ (0 where b = 0),  ∂y/∂b = y·log a (0 where a = 0, NaN where a < 0)"""
    broadcast_shape("power", a=a, b=b)
    return np.power(a, b)
@power.vjp("a")
def power_da(g, a, b, a_shape):
    return fit(g * b * power(a, where(b == 0, 1.0, b - 1.0)), a_shape)   # 0·a¹, not 0·a⁻¹, at b = 0
@power.vjp("b")
def power_db(g, a, y, b_shape):
    return fit(g * y * log(where(a == 0, 1.0, a)), b_shape)


@op
def maximum(a, b):
    """y = max(a, b).    ∂y/∂a = [a ≥ b],  ∂y/∂b = [a < b]"""
    broadcast_shape("maximum", a=a, b=b)
    return np.maximum(a, b)
@maximum.vjp("a")
def maximum_da(g, a, b, a_shape): return fit(g * (a >= b), a_shape)
@maximum.vjp("b")
def maximum_db(g, a, b, b_shape): return fit(g * (a < b), b_shape)


@op
def minimum(a, b):
    """y = min(a, b).    ∂y/∂a = [a ≤ b],  ∂y/∂b = [a > b]"""
    broadcast_shape("minimum", a=a, b=b)
    return np.minimum(a, b)
@minimum.vjp("a")
def minimum_da(g, a, b, a_shape): return fit(g * (a <= b), a_shape)
@minimum.vjp("b")
def minimum_db(g, a, b, b_shape): return fit(g * (a > b), b_shape)


@op
def select(a, b, *, condition):
    """y = a where condition, else b.    ∂y/∂a = [condition],  ∂y/∂b = [not condition]"""
    broadcast_shape("where", a=a, b=b, condition=np.asarray(condition))
    return np.where(condition, a, b)
@select.vjp("a")
def select_da(g, condition, a_shape): return fit(where(condition, g, 0.0), a_shape)
@select.vjp("b")
def select_db(g, condition, b_shape): return fit(where(condition, 0.0, g), b_shape)


def where(condition, a, b):
    """y = a where condition (an array of booleans) holds, else b; the three broadcast."""
    return select(a, b, condition=condition)

# ---- functions of one variable ------------------------------------------------------------------


@op
def neg(x):
    """y = −x.    y' = −1"""
    return -x
@neg.vjp("x")
def neg_dx(g): return -g


@op
def exp(x):
    """y = eˣ.    y' = y"""
    return np.exp(x)
@exp.vjp("x")
def exp_dx(g, y): return g * y


@op
def log(x):
    """y = log x (natural).    y' = 1/x"""
    return np.log(x)
@log.vjp("x")
def log_dx(g, x): return g / x


@op
def sqrt(x):
    """y = √x.    y' = 1 / 2√x = 1 / 2y"""
    return np.sqrt(x)
@sqrt.vjp("x")
def sqrt_dx(g, y): return g / (2.0 * y)


@op
def abs(x):
    """y = |x|.    y' = sign x, and 0 at 0"""
    return magnitude(x)
@abs.vjp("x")
def abs_dx(g, x): return g * (x > 0) - g * (x < 0)


@op
def tanh(x):
    """y = tanh x.    y' = 1 − y²"""
    return np.tanh(x)
@tanh.vjp("x")
def tanh_dx(g, y): return g * (1.0 - y * y)


@op
def sigmoid(x):
    """y = 1 / (1 + e⁻ˣ) = [1 if x ≥ 0 else e⁻|ˣ|] / (1 + e⁻|ˣ|), which never overflows.    y' = y (1 − y)"""
    e = np.exp(-magnitude(x))
    return np.where(x >= 0, np.ones_like(e), e) / (1 + e)
@sigmoid.vjp("x")
def sigmoid_dx(g, y): return g * (y * (1.0 - y))


@op
def softplus(x):
    """y = log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|), which never overflows.    y' = sigmoid(x)"""
    return np.maximum(x, 0) + np.log1p(np.exp(-magnitude(x)))
@softplus.vjp("x")
def softplus_dx(g, x): return g * sigmoid(x)


@op
def relu(x):
    """y = max(x, 0).    y' = [x > 0] = [y > 0], so x itself need not be kept"""
    return positive_part(x)
@relu.vjp("x")
def relu_dx(g, y): return g * (y > 0)
@relu.fast_vjp
def relu_fast(want, g, y): return {"x": where_positive(g, y)}              # one pass instead of two and a cast


@op
def leaky_relu(x, *, slope=0.01):
    """y = x where x > 0, else slope·x.    y' = 1 or slope"""
    return leaky_part(x, slope)
@leaky_relu.vjp("x")
def leaky_relu_dx(g, x, slope): return where(x > 0, g, slope * g)
@leaky_relu.fast_vjp
def leaky_relu_fast(want, g, x, slope): return {"x": leaky_slope(g, x, slope)}             # one pass: a tenth of the time


@op
def clip(x, *, low=None, high=None):
    """y = x held within [low, high].    y' = [low ≤ x ≤ high]"""
    if low is not None and high is not None and low > high:
        raise ValueError(f"clip: low = {low} is above high = {high}")
    low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
    return np.minimum(np.maximum(x, low), high)
@clip.vjp("x")
def clip_dx(g, x, low, high):
    if low is not None:
        g = g * (x >= low)
    return g if high is None else g * (x <= high)


def magnitude(x):
    """|x|; for a complex x the sign of its real part times x, which the complex-step check can follow."""
    return np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x)
