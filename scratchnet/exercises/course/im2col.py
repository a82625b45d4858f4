"""im2col: convolution as one matrix product

Copy every window into a row of a matrix, and the convolution of a whole batch is a single product: this is
how convolutions were made fast for twenty years.  Its backward, col2im, adds every row back into its window.

Formula
    cols[row (n,i,j), column (c,k,l)] = x[n, c, s·i+k, s·j+l]
    y = cols @ w.reshape(F, C·K·L).T,  rearranged to (N, F, I, J)
    col2im:  dx[n, c, s·i+k, s·j+l]  +=  dcols[row (n,i,j), column (c,k,l)]

Shapes
    x (N, C, H, W)    cols (N·I·J, C·K·L)    I = (H − K) // s + 1, J = (W − L) // s + 1
    Rows count n slowest, then i, then j; columns count c slowest, then k, then l: reshape's own order.

Example
    >>> x = np.arange(1., 7.).reshape(1, 1, 2, 3)                       # rows 1 2 3 and 4 5 6
    >>> im2col(x, 2, 2, 1)                                              # its two windows, one per row
    array([[1., 2., 4., 5.],
           [2., 3., 5., 6.]])
    >>> col2im(np.ones((2, 4)), (1, 1, 2, 3), 2, 2, 1)[0, 0]            # the middle column is in both
    array([[1., 2., 1.],
           [1., 2., 1.]])

To do
    Both.  A loop over (k, l) is shorter than one over places: x[:, :, k:k+s*I:s, l:l+s*J:s] is what weight
    (k, l) sees at all places at once, of shape (N, C, I, J).
"""
import numpy as np


def im2col(x, K, L, stride):
    N, C, H, W = x.shape
    I, J = (H - K) // stride + 1, (W - L) // stride + 1
    # >>> about five lines
    cols = np.empty((N, I, J, C, K, L))
    for k in range(K):
        for l in range(L):
            cols[:, :, :, :, k, l] = x[:, :, k:k + stride * I:stride, l:l + stride * J:stride].transpose(0, 2, 3, 1)
    return cols.reshape(N * I * J, C * K * L)
    # <<<


def col2im(dcols, x_shape, K, L, stride):
    N, C, H, W = x_shape
    I, J = (H - K) // stride + 1, (W - L) // stride + 1
    # >>> about six lines
    dx = np.zeros(x_shape)
    cols = dcols.reshape(N, I, J, C, K, L)
    for k in range(K):
        for l in range(L):
            dx[:, :, k:k + stride * I:stride, l:l + stride * J:stride] += cols[:, :, :, :, k, l].transpose(0, 3, 1, 2)
    return dx
    # <<<
