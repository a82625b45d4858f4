"""Convolutions in a row, each with its ReLU, as one op: the same numbers, and what lies between them stays in lanes.

    y₀ = x        yₖ = reluₖ(convₖ(yₖ₋₁, wₖ) + bₖ)        y = the last        convₖ: conv2d or conv2d_transpose

Derivation   With gₖ = ∂L/∂yₖ, which begins as g: each stage is an op of conv_relu.py, whose rules give, from gₖ,
                 ∂L/∂wₖ, ∂L/∂bₖ and gₖ₋₁;  the last of these is ∂L/∂x.
Why          A convolution brings sixteen images at a time into lanes (lanes.py), and its result back.  Between two of them
             nobody looks, so y₁, y₂, … and their gradients need neither: a step of the VAE takes 0.92 of the time, one of a
             DCGAN 0.96.
Shapes       x (N,C,H,W); weights [w₁, b₁, w₂, b₂, …], of stage k (F,C,K,L) and (F,), if transposed (C,); y as the last stage
             gives it
Errors       those of conv2d and conv_transpose2d; ValueError: slope < 0, or not two weights for each stage
Source       as conv_relu.py

Training runs it: inside `with joined():` (layers.py) a Sequential takes convolutions that follow each other as one.  The
plain rules, which second derivatives need, go through the whole chain for each weight.
"""
from typing import Any, NamedTuple

import numpy as np

from ..op import keep, op
from .conv import conv2d_back
from .conv_checks import check_conv, check_transpose, out_size, steps, transposed_size
from .conv_kernels import conv_dx, conv_y, conv_y_dw_db
from .conv_relu import (check_slope, conv2d_relu, conv2d_relu_db, conv2d_relu_dw, conv2d_relu_dx, conv2d_transpose_relu_db,
                        conv2d_transpose_relu_dg, conv2d_transpose_relu_dw, conv_transpose2d_relu)
from .lanes import LANES


class Stage(NamedTuple):
    """A convolution and its ReLU, of slope 1 if there is none."""
    transposed: bool = False
    slope: float = 1.0
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    output_padding: Any = 0                     # of a transposed one

    @property
    def steps(self) -> tuple:
        return steps("conv_chain", self.stride, self.padding, self.dilation)

    @property
    def settings(self) -> dict:
        """Those of the op that it is by itself."""
        names = ("slope", "stride", "padding", "dilation", *["output_padding"] * self.transposed)
        return {name: getattr(self, name) for name in names}


def parts(weights, stages):
    """(stage, w, b) of each."""
    return zip(stages, weights[::2], weights[1::2])


def sizes(x, weights, stages) -> list[tuple]:
    """(H, W) of y₁, y₂, …; or what does not fit, in the words of the op that it is by itself."""
    if len(weights) != 2 * len(stages) or not stages:
        raise ValueError(f"conv_chain: {len(weights)} weights for {len(stages)} stages, expected w and b of each, and one or more")
    found = []
    for stage, w, b in parts(weights, stages):
        check_slope("conv_chain", stage.slope)
        if stage.transposed:
            size, channels = transposed_size(x, w, stage.stride, stage.padding, stage.output_padding, stage.dilation), w.shape[1]
            check_transpose(x, w, b, size, stage.stride, stage.padding, stage.dilation)
        else:
            check_conv(x, w, b, stage.stride, stage.padding, stage.dilation)
            size, channels = out_size(x.shape[2:], w.shape[2:], *stage.steps), len(w)
        x = np.broadcast_to(x.dtype.type(0), (len(x), channels, *size))    # only its shape counts
        found.append(size)
    return found


@op(sequence="weights")
def conv_chain(x, weights, *, stages):
    """yₖ = reluₖ(convₖ(yₖ₋₁, wₖ) + bₖ) for each stage"""
    ys = [x]
    for (stage, w, b), size in zip(parts(weights, stages), sizes(x, weights, stages)):
        lanes = len(ys) < len(stages) and len(x) % LANES == 0
        if stage.transposed:
            ys.append(conv_dx(ys[-1], w, b, size, *stage.steps, stage.slope, lanes=lanes))
        else:
            ys.append(conv_y(ys[-1], w, b, *stage.steps, stage.slope, lanes=lanes))
    return keep(ys[-1], between=ys[1:-1])


@conv_chain.vjp("x")
def conv_chain_dx(g, x, weights, stages):
    return gradients(g, x, weights, stages)[0]


@conv_chain.vjp("weights")
def conv_chain_dweights(g, x, weights, stages, position):
    return gradients(g, x, weights, stages)[1 + position]


def outputs(x, weights, stages) -> list:
    """[x, y₁, y₂, …] by the ops of conv_relu.py"""
    ys = [x]
    for stage, w, b in parts(weights, stages):
        ys.append((conv_transpose2d_relu if stage.transposed else conv2d_relu)(ys[-1], w, b, **stage.settings))
    return ys


def gradients(g, x, weights, stages) -> list:
    """[∂L/∂x, ∂L/∂w₁, ∂L/∂b₁, ∂L/∂w₂, …] by their rules, the last stage first."""
    ys, found = outputs(x, weights, stages), []
    for (stage, w, _), x, y in reversed(list(zip(parts(weights, stages), ys, ys[1:]))):
        how = stage.slope, stage.stride, stage.padding, stage.dilation
        if stage.transposed:
            dx, dw, db = conv2d_transpose_relu_dg(g, y, w, *how), conv2d_transpose_relu_dw, conv2d_transpose_relu_db
        else:
            dx, dw, db = conv2d_relu_dx(g, y, w, x.shape, *how), conv2d_relu_dw, conv2d_relu_db
        g, found = dx, [dw(g, y, x, w.shape, *how), db(g, y, stage.slope), *found]
    return [g, *found]


@conv_chain.fast_vjp
def conv_chain_fast(want, g, y, x, weights, between, stages):
    """The same by the kernels, without leaving the lanes between two stages."""
    ys, found = [x, *between, y], []
    for k, (stage, w, _) in reversed(list(enumerate(parts(weights, stages)))):
        more = *stage.steps, ys[k+1], stage.slope, ys[k].ndim == 5
        if stage.transposed:
            g, dw, db = conv_y_dw_db(g, w, ys[k], *more)
        else:
            here = ({"x"} if k > 0 else want & {"x"}) | ({"w"} if "weights" in want else set())
            all_three = conv2d_back(here, g, ys[k], w, *more)
            g, dw, db = all_three["x"], all_three["w"], all_three["b"]
        found = [dw, db, *found]
    return {"x": g, "weights": found}
