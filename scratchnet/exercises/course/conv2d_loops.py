"""Convolution with loops: forward, dw and db

A filter of K × L weights slides over the image; at each place the output is the sum of the products below
it.  All outputs share the filter's weights, so each weight collects a gradient from every place.

Formula
    y[n,f,i,j] = b[f] + Σ_c Σ_k Σ_l x[n,c,i+k,j+l] · w[f,c,k,l]
    ∂L/∂w[f,c,k,l] = Σ_n Σ_i Σ_j g[n,f,i,j] · x[n,c,i+k,j+l]
    ∂L/∂b[f]       = Σ_n Σ_i Σ_j g[n,f,i,j]

Shapes
    x (N, C, H, W)    w (F, C, K, L)    b (F,)
    y and g (N, F, I, J),  I = H − K + 1,  J = W − L + 1

Example
    One image, one channel, one 2 × 1 filter (1 above, 10 below):
    >>> x = np.array([[[[1., 2.], [3., 4.], [5., 6.]]]])                # (1, 1, 3, 2)
    >>> w = np.array([[[[1.], [10.]]]])                                 # (1, 1, 2, 1)
    >>> conv2d(x, w, np.array([0.5]))[0, 0]                             # 0.5 + 1 + 10·3, …
    array([[31.5, 42.5],
           [53.5, 64.5]])
    >>> dw, db = conv2d_backward(np.ones((1, 1, 2, 2)), x, w)
    >>> dw[0, 0], db                                                    # 1+2+3+4, 3+4+5+6;  4
    (array([[10.],
           [18.]]), array([4.]))

To do
    Two loops over the places (i, j) of the output, in forward and in backward.  At each place,
    window = x[:, :, i:i+K, j:j+L] has shape (N, C, K, L).  np.einsum writes a sum over indices as in the
    formula: np.einsum("nckl,fckl->nf", window, w) is Σ_c Σ_k Σ_l window[n,c,k,l]·w[f,c,k,l].
"""
import numpy as np


def conv2d(x, w, b):
    (N, C, H, W), (F, C, K, L) = x.shape, w.shape
    I, J = H - K + 1, W - L + 1
    y = np.zeros((N, F, I, J))
    for i in range(I):
        for j in range(J):
            # >>> the outputs at place (i, j), of all images and filters
            window = x[:, :, i:i + K, j:j + L]
            y[:, :, i, j] = np.einsum("nckl,fckl->nf", window, w) + b
            # <<<
    return y


def conv2d_backward(g, x, w):
    """dw and db; dx is the next exercise."""
    (F, C, K, L), (N, F, I, J) = w.shape, g.shape
    dw = np.zeros(w.shape)
    for i in range(I):
        for j in range(J):
            # >>> what place (i, j) contributes to dw
            window = x[:, :, i:i + K, j:j + L]
            dw += np.einsum("nf,nckl->fckl", g[:, :, i, j], window)
            # <<<
    # >>> db
    db = g.sum(axis=(0, 2, 3))
    # <<<
    return dw, db
