"""The loops of convolution.  Letters and formula: conv.py."""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..kernel import kernel
from .elementwise_kernels import back, leaky
from .lanes import images, in_lanes


def windows(x, size, s, p, d):
    """cols[n,c,k,l,i,j] = x[n,c, s·i+d·k−p, s·j+d·l−p], 0 outside: a view of the padded x, no copy."""
    (K, L), (P, Q) = size, p
    x = np.pad(x, ((0, 0), (0, 0), (P, P), (Q, Q)))
    reach = (d[0] * (K - 1) + 1, d[1] * (L - 1) + 1)
    cols = sliding_window_view(x, reach, axis=(2, 3))          # (N,C, positions, reach)
    return cols[:, :, ::s[0], ::s[1], ::d[0], ::d[1]].transpose(0, 1, 4, 5, 2, 3)


# x, y and g are (N,C,H,W), or in lanes (lanes.py), as results are if `lanes`.

@kernel
def conv_y(x, w, b, s, p, d, slope=None, lanes=False):
    """y[n,f,i,j] = Σ_ckl cols[n,c,k,l,i,j] · w[f,c,k,l] + b[f];  slope: then a leaky ReLU (0: ReLU)"""
    y = np.einsum("ncklij,fckl->nfij", windows(images(x), w.shape[2:], s, p, d), w, optimize=True)
    y = leaky(y if b is None else y + b[:, None, None], slope)
    return in_lanes(y) if lanes else y


@kernel
def conv_dx(g, w, b, size, s, p, d, slope=None, y=None, lanes=False):
    """x[n,c, s·i+d·k−p, s·j+d·l−p] += Σ_f g[n,f,i,j] · w[f,c,k,l]: windows overlap, so one tap at a time.

    slope: then a leaky ReLU (0: ReLU); or, if y is given, g times slope first, where y is not above 0: back through it.
    """
    cols = np.einsum("nfij,fckl->ncklij", images(back(g, y, slope)), w, optimize=True)
    N, C, K, L, I, J = cols.shape
    (H, W), (P, Q) = size, p
    x = np.zeros((N, C, H + 2 * P, W + 2 * Q), cols.dtype)
    for k, l in np.ndindex(K, L):
        x[:, :, d[0]*k:d[0]*k + s[0]*I:s[0], d[1]*l:d[1]*l + s[1]*J:s[1]] += cols[:, :, k, l]
    x = x[:, :, P:P + H, Q:Q + W]
    x = np.ascontiguousarray(x) if b is None else x + b[:, None, None]
    x = leaky(x, slope if y is None else None)
    return in_lanes(x) if lanes else x


@kernel
def conv_dw(x, g, size, s, p, d):
    """w[f,c,k,l] = Σ_nij g[n,f,i,j] · cols[n,c,k,l,i,j]"""
    return np.einsum("nfij,ncklij->fckl", images(g), windows(images(x), size, s, p, d), optimize=True)


@kernel
def conv_dw_db(x, g, size, s, p, d, y=None, slope=0.0):
    """(conv_dw, Σ_nij g): for filters and bias, one pass over g.    y: g times slope first, where y is not above 0."""
    g = back(g, y, slope)
    return conv_dw.reference(x, g, size, s, p, d), images(g).sum(axis=(0, 2, 3))


@kernel
def conv_dx_dw_db(x, w, g, s, p, d, y=None, slope=0.0, lanes=False):
    """(conv_dx, conv_dw, Σ_nij g): what a convolution gives back of g, which comes into lanes once.  y, slope: as above."""
    g = back(g, y, slope)
    return (conv_dx.reference(g, w, None, x.shape[2:4], s, p, d, lanes=lanes),
            *conv_dw_db.reference(x, g, w.shape[2:], s, p, d))


@kernel
def conv_y_dw_db(x, w, g, s, p, d, y=None, slope=0.0, lanes=False):
    """(conv_y, conv_dw, Σ_nuv x): what a transposed convolution gives back of x, from one im2col.  y, slope: as above."""
    x = back(x, y, slope)
    return (conv_y.reference(x, w, None, s, p, d, lanes=lanes), conv_dw.reference(x, g, w.shape[2:], s, p, d),
            images(x).sum(axis=(0, 2, 3)))
