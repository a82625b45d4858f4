"""Find the bug: a convolution layer

A whole layer with stride and padding, by loops over the filter's weights instead of over places.  One line
of its backward is wrong.  On square images with stride 1 nobody would notice.

Formula
    y[n,f,i,j] = b[f] + Σ_c Σ_k Σ_l xp[n,c,s·i+k,s·j+l] · w[f,c,k,l]         xp: x with p zeros on each side
    ∂L/∂w[f,c,k,l] = Σ_n Σ_i Σ_j g[n,f,i,j] · xp[n,c,s·i+k,s·j+l]
    ∂L/∂xp[n,c,s·i+k,s·j+l]  +=  Σ_f g[n,f,i,j] · w[f,c,k,l]
    ∂L/∂b[f] = Σ_n Σ_i Σ_j g[n,f,i,j]

Shapes
    x (N, C, H, W)    w (F, C, K, L)    b (F,)    y and g (N, F, I, J)
    at(k, l) is what weight (k, l) sees of xp at all places at once: (N, C, I, J)

Example
    One row 1 2 3 4, filter (1, 10), stride 2: places 0 and 2.
    >>> layer = Conv2d(np.array([[[[1., 10.]]]]), np.zeros(1), stride=2, padding=0)
    >>> layer.forward(np.array([[[[1., 2., 3., 4.]]]]))[0, 0]           # 1 + 20, 3 + 40
    array([[21., 43.]])
    >>> dx, dw, db = layer.backward(np.array([[[[5., 7.]]]]))
    >>> dx[0, 0], dw[0, 0], db                                          # 5 50 7 70;  5·1 + 7·3, 5·2 + 7·4;  12
    (array([[ 5., 50.,  7., 70.]]), array([[26., 38.]]), array([12.]))

To do
    Run it.  Which gradient is wrong, with which settings?  Repair one line.
"""
import numpy as np


class Conv2d:
    def __init__(self, w, b, stride, padding):
        self.w, self.b, self.stride, self.padding = w, b, stride, padding

    def at(self, k, l, I, J):
        """The slice of xp that weight (k, l) meets."""
        s = self.stride
        return (slice(None), slice(None), slice(k, k + s * I, s), slice(l, l + s * J, s))

    def forward(self, x):
        p, (F, C, K, L) = self.padding, self.w.shape
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        I = (self.xp.shape[2] - K) // self.stride + 1
        J = (self.xp.shape[3] - L) // self.stride + 1
        y = np.zeros((len(x), F, I, J)) + self.b[:, None, None]
        for k in range(K):
            for l in range(L):
                y += np.einsum("ncij,fc->nfij", self.xp[self.at(k, l, I, J)], self.w[:, :, k, l])
        return y

    def backward(self, g):
        p, (F, C, K, L), (N, F, I, J) = self.padding, self.w.shape, g.shape
        dxp, dw = np.zeros(self.xp.shape), np.zeros(self.w.shape)
        for k in range(K):
            for l in range(L):
                dw[:, :, k, l] = np.einsum("nfij,ncij->fc", g, self.xp[self.at(k, l, I, J)])
                dxp[self.at(k, l, I, J)] += np.einsum("nfij,fc->ncij", g, self.w[:, :, k, l])
        db = g.sum(axis=(0, 2, 3))
        H, W = dxp.shape[2] - 2 * p, dxp.shape[3] - 2 * p
        return dxp[:, :, p:p + H, p:p + W], dw, db
