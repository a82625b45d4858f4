"""A convolution and its ReLU as one op: the same formulas and numbers as the two, in fewer passes over memory.

    y = max(conv2d(x, w) + b, 0)                  x = max(conv2d_transpose(g, w) + b, 0)

Derivation   with z = conv2d(x, w) + b:  ∂L/∂z = ∂L/∂y where y > 0, else 0 (elementwise.py; y > 0 just where z > 0).
             From ∂L/∂z on, the rules are conv2d's.
Why          ReLU computes next to nothing, but it reads and writes the largest arrays of a network, forward and
             backward.  Here that happens while sixteen images are in the cache: a step of the VAE takes 0.94 of the time.
Shapes       those of conv2d and conv2d_transpose (conv.py)
Errors       those of conv2d and conv2d_transpose
Source       oneDNN developer guide, "Primitive attributes: post-ops": ReLU as the end of a convolution.

Training runs it: inside `with joined():` (layers.py) a Sequential takes a Conv2d and the ReLU behind it as one.
Elsewhere they stay two nodes of the graph, which is what one wants to look at.
"""
from ..op import op
from .conv import conv2d_db, conv2d_dw, conv2d_dx, conv2d_transpose_db, conv2d_transpose_dg, conv2d_transpose_dw
from .conv_checks import check_conv, check_transpose, steps, transposed_size
from .conv_kernels import conv_dw_db, conv_dx, conv_y, conv_y_dw_db
from .elementwise import relu_dx as before_relu


@op
def conv2d_relu(x, w, b=None, *, stride=1, padding=0, dilation=1):
    """y = max(conv2d(x, w) + b, 0)"""
    s, p, d = check_conv(x, w, b, stride, padding, dilation)
    return conv_y(x, w, b, s, p, d, True)


@conv2d_relu.vjp("x")
def conv2d_relu_dx(g, y, w, x_shape, stride, padding, dilation):
    return conv2d_dx(before_relu(g, y), w, x_shape, stride, padding, dilation)


@conv2d_relu.vjp("w")
def conv2d_relu_dw(g, y, x, w_shape, stride, padding, dilation):
    return conv2d_dw(before_relu(g, y), x, w_shape, stride, padding, dilation)


@conv2d_relu.vjp("b")
def conv2d_relu_db(g, y):
    return conv2d_db(before_relu(g, y))


@conv2d_relu.fast_vjp
def conv2d_relu_fast(want, g, y, x, w, stride, padding, dilation):
    """g reaches its kernels together with y, which says where it counts."""
    s, p, d = steps("conv2d", stride, padding, dilation)
    dw, db = conv_dw_db(x, g, w.shape[2:], s, p, d, y) if want & {"w", "b"} else (None, None)
    return {"x": conv_dx(g, w, None, x.shape[2:], s, p, d, False, y) if "x" in want else None, "w": dw, "b": db}


@op
def conv2d_transpose_relu(g, w, b=None, *, size, stride=1, padding=0, dilation=1):
    """x = max(conv2d_transpose(g, w) + b, 0)"""
    size, s, p, d = check_transpose(g, w, b, size, stride, padding, dilation)
    return conv_dx(g, w, b, size, s, p, d, True)


@conv2d_transpose_relu.vjp("g")
def conv2d_transpose_relu_dg(h, y, w, stride, padding, dilation):
    return conv2d_transpose_dg(before_relu(h, y), w, stride, padding, dilation)


@conv2d_transpose_relu.vjp("w")
def conv2d_transpose_relu_dw(h, y, g, w_shape, stride, padding, dilation):
    return conv2d_transpose_dw(before_relu(h, y), g, w_shape, stride, padding, dilation)


@conv2d_transpose_relu.vjp("b")
def conv2d_transpose_relu_db(h, y):
    return conv2d_transpose_db(before_relu(h, y))


@conv2d_transpose_relu.fast_vjp
def conv2d_transpose_relu_fast(want, h, y, g, w, stride, padding, dilation):
    s, p, d = steps("conv2d_transpose", stride, padding, dilation)
    dg, dw, db = conv_y_dw_db(h, w, g, s, p, d, y)
    return {"g": dg, "w": dw, "b": db}


def conv_transpose2d_relu(x, w, b=None, *, stride=1, padding=0, output_padding=0, dilation=1):
    """max(conv_transpose2d(x, w, b), 0)"""
    size = transposed_size(x, w, stride, padding, output_padding, dilation)
    return conv2d_transpose_relu(x, w, b, size=size, stride=stride, padding=padding, dilation=dilation)
