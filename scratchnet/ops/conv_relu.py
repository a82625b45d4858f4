"""A convolution and the ReLU behind it, leaky or not, as one op: the same numbers as the two, in fewer passes over memory.

    y = relu(conv2d(x, w) + b)                    x = relu(conv2d_transpose(g, w) + b)
    relu(z) = z where z > 0, else slope·z         slope 0: ReLU

Derivation   with z = conv2d(x, w) + b:  ∂L/∂z = ∂L/∂y where y > 0, else slope·∂L/∂y (elementwise.py; y > 0 just where
             z > 0, as slope ≥ 0).  From ∂L/∂z on, the rules are conv2d's.
Why          ReLU computes next to nothing, but it reads and writes the largest arrays of a network, forward and
             backward.  Here that happens while sixteen images are in the cache: a step of the VAE takes 0.94 of the time.
Shapes       those of conv2d and conv2d_transpose (conv.py)
Errors       those of conv2d and conv2d_transpose; ValueError: slope < 0
Source       oneDNN developer guide, "Primitive attributes: post-ops": ReLU as the end of a convolution.

Training runs it: inside `with joined():` (layers.py) a Sequential takes a convolution and the ReLU behind it as one.
Elsewhere they stay two nodes of the graph, which is what one wants to look at.
"""
from ..op import op
from .conv import conv2d_back, conv2d_db, conv2d_dw, conv2d_dx, conv2d_transpose_db, conv2d_transpose_dg, conv2d_transpose_dw
from .conv_checks import check_conv, check_transpose, steps, transposed_size
from .conv_kernels import conv_dx, conv_y, conv_y_dw_db
from .elementwise import where


def before_relu(g, y, slope):
    """∂L/∂z from g = ∂L/∂y."""
    return where(y > 0, g, slope * g)


def check_slope(name: str, slope) -> None:
    if not slope >= 0:
        raise ValueError(f"{name}: slope is {slope}, expected 0 (ReLU) or more (leaky ReLU)")


@op
def conv2d_relu(x, w, b=None, *, slope=0.0, stride=1, padding=0, dilation=1):
    """y = relu(conv2d(x, w) + b),  relu(z) = z where z > 0, else slope·z"""
    s, p, d = check_conv(x, w, b, stride, padding, dilation)
    check_slope("conv2d_relu", slope)
    return conv_y(x, w, b, s, p, d, slope)


@conv2d_relu.vjp("x")
def conv2d_relu_dx(g, y, w, x_shape, slope, stride, padding, dilation):
    return conv2d_dx(before_relu(g, y, slope), w, x_shape, stride, padding, dilation)


@conv2d_relu.vjp("w")
def conv2d_relu_dw(g, y, x, w_shape, slope, stride, padding, dilation):
    return conv2d_dw(before_relu(g, y, slope), x, w_shape, stride, padding, dilation)


@conv2d_relu.vjp("b")
def conv2d_relu_db(g, y, slope):
    return conv2d_db(before_relu(g, y, slope))


@conv2d_relu.fast_vjp
def conv2d_relu_fast(want, g, y, x, w, slope, stride, padding, dilation):
    """g reaches its kernels together with y, which says where it counts."""
    return conv2d_back(want, g, x, w, *steps("conv2d", stride, padding, dilation), y, slope)


@op
def conv2d_transpose_relu(g, w, b=None, *, size, slope=0.0, stride=1, padding=0, dilation=1):
    """x = relu(conv2d_transpose(g, w) + b),  relu(z) = z where z > 0, else slope·z"""
    size, s, p, d = check_transpose(g, w, b, size, stride, padding, dilation)
    check_slope("conv2d_transpose_relu", slope)
    return conv_dx(g, w, b, size, s, p, d, slope)


@conv2d_transpose_relu.vjp("g")
def conv2d_transpose_relu_dg(h, y, w, slope, stride, padding, dilation):
    return conv2d_transpose_dg(before_relu(h, y, slope), w, stride, padding, dilation)


@conv2d_transpose_relu.vjp("w")
def conv2d_transpose_relu_dw(h, y, g, w_shape, slope, stride, padding, dilation):
    return conv2d_transpose_dw(before_relu(h, y, slope), g, w_shape, stride, padding, dilation)


@conv2d_transpose_relu.vjp("b")
def conv2d_transpose_relu_db(h, y, slope):
    return conv2d_transpose_db(before_relu(h, y, slope))


@conv2d_transpose_relu.fast_vjp
def conv2d_transpose_relu_fast(want, h, y, g, w, slope, stride, padding, dilation):
    s, p, d = steps("conv2d_transpose", stride, padding, dilation)
    dg, dw, db = conv_y_dw_db(h, w, g, s, p, d, y, slope)
    return {"g": dg, "w": dw, "b": db}


def conv_transpose2d_relu(x, w, b=None, *, slope=0.0, stride=1, padding=0, output_padding=0, dilation=1):
    """relu(conv_transpose2d(x, w, b))"""
    size = transposed_size(x, w, stride, padding, output_padding, dilation)
    return conv2d_transpose_relu(x, w, b, size=size, slope=slope, stride=stride, padding=padding, dilation=dilation)
