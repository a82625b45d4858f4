"""A compiled loop of your own

NumPy is fast where a few calls do all the work.  Where the loops themselves are the work, Numba compiles
them: the body below is plain Python, but runs as fast as C.  Several threads call it at once, each for
another image: so each call must write its own image, all of it, and nothing else.

Formula
    y[n,f,i,j] = Σ_c Σ_k Σ_l x[n,c,i+k,j+l] · w[f,c,k,l]              for the one image n

Shapes
    x (N, C, H, W)    w (F, C, K, L)    y (N, F, I, J),  I = H − K + 1,  J = W − L + 1
    n one integer.  y comes with anything in it; nothing is returned.

Example
    >>> y = np.full((2, 1, 1, 2), 7.0)
    >>> conv_image(np.array([[[[1., 2., 3.]]], [[[4., 5., 6.]]]]), np.array([[[[1., 10.]]]]), y, 1)
    >>> y[:, 0, 0]                                                      # image 1: 4 + 50, 5 + 60; image 0 untouched
    array([[ 7.,  7.],
           [54., 65.]])

To do
    Six loops: three over the places and filters of the output, three inside over what is summed.  Compiled code
    wants one type per variable (start sums with 0.0) and has no np.einsum; indices beyond an array are not noticed.
"""
import numpy as np
from numba import njit


@njit(nogil=True)                               # nogil: other threads may run meanwhile
def conv_image(x, w, y, n):
    """Write image n of the convolution of x with w into y[n]."""
    F, C, K, L = w.shape
    I, J = y.shape[2], y.shape[3]
    # >>> six loops
    for f in range(F):
        for i in range(I):
            for j in range(J):
                total = 0.0
                for c in range(C):
                    for k in range(K):
                        for l in range(L):
                            total += x[n, c, i + k, j + l] * w[f, c, k, l]
                y[n, f, i, j] = total
    # <<<
