"""Dense layers in a row, each with a ReLU behind it or none, as one op: the same numbers in fewer passes over memory.

    y₀ = x        yₖ = reluₖ(yₖ₋₁ @ wₖ + bₖ)        y = the last        relu(z) = z where z > 0, else slope·z

Derivation   With gₖ = ∂L/∂yₖ, which begins as g, and zₖ = yₖ₋₁ @ wₖ + bₖ:
                 hₖ = ∂L/∂zₖ = gₖ where yₖ > 0, else slope·gₖ      (yₖ > 0 just where zₖ > 0, as slope ≥ 0)
                 ∂L/∂wₖ = yₖ₋₁ᵀ @ hₖ,  ∂L/∂bₖ = Σ hₖ,  gₖ₋₁ = hₖ @ wₖᵀ      as in matmul.py;  the last of these is ∂L/∂x.
Why          A step of a network of six dense layers takes 0.9 of the time: bias and ReLU are done while a block of y is in
             the cache, and six layers are one node of the graph.
Shapes       x (…,D); weights [w₁, b₁, w₂, b₂, …], of layer k (D,M) and (M,); y (…,M) of the last
Errors       those of dense; ValueError: slope < 0, or not two weights for each layer
Source       Goodfellow et al. 2016, §6.5.4, algorithm 6.4

Training runs it: inside `with joined():` (layers.py) a Sequential takes dense layers that follow each other as one.
"""
import numpy as np

from ..op import keep, op
from .conv_relu import before_relu, check_slope
from .elementwise import leaky_relu
from .elementwise_kernels import leaky_slope
from .matmul import as_rows, check_dense, dense, dense_back, dense_db, dense_dw, dense_dx
from .matmul_kernels import matmul_y


def layers_of(weights, slopes):
    """(w, b, slope) of each."""
    return zip(weights[::2], weights[1::2], slopes)


@op(sequence="weights")
def dense_chain(x, weights, *, slopes):
    """yₖ = reluₖ(yₖ₋₁ @ wₖ + bₖ) for each layer; slopes: of their ReLUs, 1 where there is none"""
    check_chain(x, weights, slopes)
    ys = [as_rows(x)]
    for w, b, slope in layers_of(weights, slopes):
        ys.append(matmul_y(ys[-1], w, b, slope))
    return keep(ys[-1].reshape(*x.shape[:-1], ys[-1].shape[1]), between=ys[1:-1])


def check_chain(x, weights, slopes) -> None:
    if len(weights) != 2 * len(slopes) or len(slopes) == 0:
        raise ValueError(f"dense_chain: {len(weights)} weights for {len(slopes)} layers, expected w and b of each, and one "
                         "or more")
    for w, b, slope in layers_of(weights, slopes):
        check_dense("dense_chain", x, w, b)
        check_slope("dense_chain", slope)
        x = np.broadcast_to(x.dtype.type(0), (*x.shape[:-1], w.shape[1]))  # only its shape counts


@dense_chain.vjp("x")
def dense_chain_dx(g, x, weights, slopes):
    return dense_gradients(g, x, weights, slopes)[0]


@dense_chain.vjp("weights")
def dense_chain_dweights(g, x, weights, slopes, position):
    return dense_gradients(g, x, weights, slopes)[1 + position]


def dense_outputs(x, weights, slopes) -> list:
    """[x, y₁, y₂, …]"""
    ys = [x]
    for w, b, slope in layers_of(weights, slopes):
        ys.append(leaky_relu(dense(ys[-1], w, b), slope=slope))
    return ys


def dense_gradients(g, x, weights, slopes) -> list:
    """[∂L/∂x, ∂L/∂w₁, ∂L/∂b₁, ∂L/∂w₂, …], the last layer first."""
    ys, found = dense_outputs(x, weights, slopes), []
    for (w, _, slope), x, y in reversed(list(zip(layers_of(weights, slopes), ys, ys[1:]))):
        h = before_relu(g, y, slope)
        g, found = dense_dx(h, w), [dense_dw(h, x, w.shape), dense_db(h), *found]
    return [g, *found]


@dense_chain.fast_vjp
def dense_chain_fast(want, g, y, x, weights, between, slopes):
    """The same by the kernels."""
    ys, found, g = [x, *between, as_rows(y)], [], as_rows(g)
    for k, (w, _, slope) in reversed(list(enumerate(layers_of(weights, slopes)))):
        here = ({"x"} if k > 0 else want & {"x"}) | ({"w", "b"} if "weights" in want else set())
        all_three = dense_back(here, leaky_slope(g, ys[k+1], slope), ys[k], w)
        g, found = all_three["x"], [all_three["w"], all_three["b"], *found]
    return {"x": g, "weights": found}
