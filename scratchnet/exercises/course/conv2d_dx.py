"""Convolution, backwards to the image: scatter and crop

In the forward, place (i, j) gathered a window of the padded image.  Backward scatters: each g[i, j] is
spread over the same window, weighted by the filter.  Windows overlap, so the shares add up.

Formula
    y[n,f,i,j] = Σ_c Σ_k Σ_l xp[n,c,s·i+k,s·j+l] · w[f,c,k,l]         xp: x with p zeros on each side
    ∂L/∂xp[n,c,s·i+k,s·j+l]  +=  Σ_f g[n,f,i,j] · w[f,c,k,l]          for every i, j, k, l
    ∂L/∂x = the part of ∂L/∂xp that is the image

Shapes
    x (N, C, H, W)    w (F, C, K, L)    stride s, padding p    xp (N, C, H + 2p, W + 2p)
    y and g (N, F, I, J),  I = (H + 2p − K) // s + 1,  J = (W + 2p − L) // s + 1

Example
    A 1 × 2 filter (1, 10) on a row of three, stride 1, no padding: the middle pixel is in both windows.
    >>> w = np.array([[[[1., 10.]]]])                                   # (1, 1, 1, 2)
    >>> conv2d_dx(np.array([[[[5., 7.]]]]), w, (1, 1, 1, 3), 1, 0)      # 5·1, 5·10 + 7·1, 7·10
    array([[[[ 5., 57., 70.]]]])

To do
    Make room for the padded image, add each place's share to its window, cut the padding off.
"""
import numpy as np


def conv2d(x, w, stride, padding):
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (F, C, K, L), (H, W) = w.shape, xp.shape[2:]
    I, J = (H - K) // stride + 1, (W - L) // stride + 1
    y = np.zeros((len(x), F, I, J))
    for i in range(I):
        for j in range(J):
            window = xp[:, :, stride * i:stride * i + K, stride * j:stride * j + L]
            y[:, :, i, j] = np.einsum("nckl,fckl->nf", window, w)
    return y


def conv2d_dx(g, w, x_shape, stride, padding):
    (N, C, H, W), (F, C, K, L), (N, F, I, J) = x_shape, w.shape, g.shape
    # >>> about six lines
    dxp = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for i in range(I):
        for j in range(J):
            share = np.einsum("nf,fckl->nckl", g[:, :, i, j], w)
            dxp[:, :, stride * i:stride * i + K, stride * j:stride * j + L] += share
    return dxp[:, :, padding:padding + H, padding:padding + W]
    # <<<
