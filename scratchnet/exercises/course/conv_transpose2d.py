"""Transposed convolution: the layer that makes images larger

Decoders and generators go from small to large.  Their layer is the backward of a convolution used as a
forward: each input pixel is spread over a window of the output.  So its own backward is a convolution.

Formula
    yp[n,c,s·i+k,s·j+l]  +=  Σ_f x[n,f,i,j] · w[f,c,k,l]              yp: y with p more on each side
    y = yp without p rows and columns on each side
    ∂L/∂x[n,f,i,j]   = Σ_c Σ_k Σ_l  gp[n,c,s·i+k,s·j+l] · w[f,c,k,l]  gp: g with p zeros on each side
    ∂L/∂w[f,c,k,l]   = Σ_n Σ_i Σ_j  x[n,f,i,j] · gp[n,c,s·i+k,s·j+l]

Shapes
    x (N, F, I, J)    w (F, C, K, L), the same w that conv2d would use    stride s, padding p
    y and g (N, C, H, W),  H = s·(I − 1) + K − 2p + q,  W = s·(J − 1) + L − 2p + q
    q, the output padding, 0 ≤ q < s: a stride s forgets up to s − 1 rows; q says how many to give back.  They
    lie at the end of yp, below and to the right.

Example
    One pixel of 3 and one of 4 in a row, filter (1, 10), stride 2, q = 1:
    >>> w = np.array([[[[1., 10.]]]])
    >>> conv_transpose2d(np.array([[[[3., 4.]]]]), w, 2, 0, 1)[0, 0]    # 3·1 3·10 4·1 4·10, and q more
    array([[ 3., 30.,  4., 40.,  0.],
           [ 0.,  0.,  0.,  0.,  0.]])
    >>> dx, dw = conv_transpose2d_backward(np.ones((1, 1, 2, 5)), np.array([[[[3., 4.]]]]), w, 2, 0)
    >>> dx[0, 0], dw[0, 0]                                              # 1 + 10;  3 + 4
    (array([[11., 11.]]), array([[7., 7.]]))

To do
    The forward: room for yp, the scatter, the cut.  The backward: at each (i, j), the window of gp.
"""
import numpy as np


def conv_transpose2d(x, w, stride, padding, output_padding):
    (N, F, I, J), (F, C, K, L) = x.shape, w.shape
    H, W = stride * (I - 1) + K + output_padding, stride * (J - 1) + L + output_padding       # of yp
    # >>> about five lines
    yp = np.zeros((N, C, H, W))
    for i in range(I):
        for j in range(J):
            window = yp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]
            window += np.einsum("nf,fckl->nckl", x[:, :, i, j], w)
    return yp[:, :, padding:H - padding, padding:W - padding]
    # <<<


def conv_transpose2d_backward(g, x, w, stride, padding):
    (N, F, I, J), (F, C, K, L) = x.shape, w.shape
    gp = np.pad(g, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for i in range(I):
        for j in range(J):
            # >>> three lines
            window = gp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]
            dx[:, :, i, j] = np.einsum("nckl,fckl->nf", window, w)
            dw += np.einsum("nf,nckl->fckl", x[:, :, i, j], window)
            # <<<
    return dx, dw
