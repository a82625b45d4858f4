"""2-D convolution: one scalar S, three operations, every derivative.

    S(x, w, g) = Σ g[n,f,i,j] · x[n,c, s·i+d·k−p, s·j+d·l−p] · w[f,c,k,l]    summed over every index

S is linear in x, in w and in g, so ∂S/∂(one of them) just leaves that one out of the sum:

    ∂S/∂g = conv2d(x, w)             → y  (N,F,I,J)    the layer's forward pass
    ∂S/∂x = conv2d_transpose(g, w)   → dx (N,C,H,W)    the gradient for the image; also a layer itself
    ∂S/∂w = conv2d_weight(x, g)      → dw (F,C,K,L)    the gradient for the filters

Backward, derived.  Let y = conv2d(x, w) and let g = ∂L/∂y arrive from above.  Chain rule:
    ∂L/∂x = Σ g·∂y/∂x = ∂(Σ g·y)/∂x = ∂S/∂x  (g held fixed; Σ g·y = S).  Likewise for w.
Rename the letters and the same line proves all six rules below.  Each rule is again one of the
three ops, so second derivatives (WGAN-GP's gradient penalty) cost no new code.  A bias is added to
every pixel of its channel, so its gradient is the sum over images and pixels.

Shapes  x (N,C,H,W) images, w (F,C,K,L) filters, y and g (N,F,I,J);  s stride, p zero padding,
        d dilation, each an int or a pair (rows, columns);
        I = ⌊(H+2p−d(K−1)−1)/s⌋+1, J likewise.  ⌊⌋ forgets H and W, hence `size` below.
Errors  ValueError: channel counts differ, a filter exceeds the padded image, or no (H,W) = `size`
        image has an (I,J) output.  The message prints every shape involved.
Source  Dumoulin & Visin 2016, arXiv:1603.07285; Goodfellow, Bengio & Courville 2016, §9.5.
        No flip: like every deep-learning "convolution", this is a cross-correlation.
"""
from ..op import op
from .channel_kernels import channel_sum
from .conv_checks import check_conv, check_transpose, check_weight, steps, transposed_size
from . import conv_fast                         # the Numba versions of the three kernels
from .conv_kernels import conv_dw, conv_dw_db, conv_dx, conv_dx_dw_db, conv_y, conv_y_dw_db
from .elementwise_kernels import back
from .reduce import sum


@op
def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1):
    """y[n,f,i,j] = Σ_ckl x[n,c, s·i+d·k−p, s·j+d·l−p] · w[f,c,k,l] + b[f]"""
    s, p, d = check_conv(x, w, b, stride, padding, dilation)
    return conv_y(x, w, b, s, p, d)


@conv2d.vjp("x")
def conv2d_dx(g, w, x_shape, stride, padding, dilation):
    return conv2d_transpose(g, w, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation)


@conv2d.vjp("w")
def conv2d_dw(g, x, w_shape, stride, padding, dilation):
    return conv2d_weight(x, g, size=w_shape[2:], stride=stride, padding=padding, dilation=dilation)


@conv2d.vjp("b")
def conv2d_db(g):
    return sum(g, axis=(0, 2, 3))


@conv2d.fast_vjp
def conv2d_fast(want, g, x, w, stride, padding, dilation):
    """The same rules by the kernels."""
    return conv2d_back(want, g, x, w, *steps("conv2d", stride, padding, dilation))


def conv2d_back(want, g, x, w, s, p, d, y=None, slope=None, lanes=False) -> dict:
    """The gradients in `want`: all three look at g, which is made ready for them once.  y, slope, lanes: conv_kernels.py."""
    dx = dw = db = None
    if {"x", "w"} <= want:
        dx, dw, db = conv_dx_dw_db(x, w, g, s, p, d, y, slope, lanes=lanes)
    elif "w" in want:
        dw, db = conv_dw_db(x, g, w.shape[2:], s, p, d, y, slope)
    else:
        dx = conv_dx(g, w, None, x.shape[2:4], s, p, d, slope, y, lanes=lanes) if "x" in want else None
        db = channel_sum(back(g, y, slope)) if "b" in want else None
    return {"x": dx, "w": dw, "b": db}


@op
def conv2d_transpose(g, w, b=None, *, size, stride=1, padding=0, dilation=1):
    """x[n,c,u,v] = Σ_fijkl g[n,f,i,j] · w[f,c,k,l]  over  s·i+d·k−p = u and s·j+d·l−p = v,  + b[c]"""
    size, s, p, d = check_transpose(g, w, b, size, stride, padding, dilation)
    return conv_dx(g, w, b, size, s, p, d)


@conv2d_transpose.vjp("g")
def conv2d_transpose_dg(h, w, stride, padding, dilation):
    return conv2d(h, w, stride=stride, padding=padding, dilation=dilation)


@conv2d_transpose.vjp("w")
def conv2d_transpose_dw(h, g, w_shape, stride, padding, dilation):
    return conv2d_weight(h, g, size=w_shape[2:], stride=stride, padding=padding, dilation=dilation)


@conv2d_transpose.vjp("b")
def conv2d_transpose_db(h):
    return sum(h, axis=(0, 2, 3))


@conv2d_transpose.fast_vjp
def conv2d_transpose_fast(want, h, g, w, stride, padding, dilation):
    """Both big gradients look at h through the same windows: one im2col serves them, and h is summed on the way."""
    s, p, d = steps("conv2d_transpose", stride, padding, dilation)
    dg = dw = None
    if {"g", "w"} <= want:
        dg, dw, db = conv_y_dw_db(h, w, g, s, p, d)
    else:
        db = channel_sum(h)
        if "g" in want:
            dg = conv_y(h, w, None, s, p, d)
        elif "w" in want:
            dw = conv_dw(h, g, w.shape[2:], s, p, d)
    return {"g": dg, "w": dw, "b": db}


@op
def conv2d_weight(x, g, *, size, stride=1, padding=0, dilation=1):
    """w[f,c,k,l] = Σ_nij g[n,f,i,j] · x[n,c, s·i+d·k−p, s·j+d·l−p]"""
    size, s, p, d = check_weight(x, g, size, stride, padding, dilation)
    return conv_dw(x, g, size, s, p, d)


@conv2d_weight.vjp("x")
def conv2d_weight_dx(h, g, x_shape, stride, padding, dilation):
    return conv2d_transpose(g, h, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation)


@conv2d_weight.vjp("g")
def conv2d_weight_dg(h, x, stride, padding, dilation):
    return conv2d(x, h, stride=stride, padding=padding, dilation=dilation)


def conv_transpose2d(x, w, b=None, *, stride=1, padding=0, output_padding=0, dilation=1):
    """The transposed convolution as a layer: y (N,C,H,W) from x (N,F,I,J), w (F,C,K,L), b (C,).

    conv2d with stride s maps several image sizes to the same (I,J); output_padding, 0 ≤ op < s, picks
    one:  H = s(I−1) + d(K−1) + 1 − 2p + op,  W likewise.
    Errors  ValueError: output_padding not in [0, stride), nothing left after cropping the padding.
    """
    size = transposed_size(x, w, stride, padding, output_padding, dilation)
    return conv2d_transpose(x, w, b, size=size, stride=stride, padding=padding, dilation=dilation)
