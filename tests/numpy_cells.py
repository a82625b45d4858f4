"""Recurrent cells in plain NumPy; see numpy_layers.py."""
import numpy as np

from tests.numpy_layers import layer, lengths


def sigmoid(z): return 1 / (1 + np.exp(-z))


@layer
def lstm_cell():
    def forward(x, h, c, wx, wh, b):
        a = x @ wx + h @ wh + b
        i, f, o, u = np.split(a, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(u)
        return np.concatenate([sigmoid(o) * np.tanh(c), c], axis=1)

    def backward(dout, x, h, c, wx, wh, b):
        D = h.shape[1]
        dh_next, dc_next = dout[:, :D], dout[:, D:]
        a = x @ wx + h @ wh + b
        i, f, o, u = sigmoid(a[:, :D]), sigmoid(a[:, D:2 * D]), sigmoid(a[:, 2 * D:3 * D]), np.tanh(a[:, 3 * D:])
        t = np.tanh(f * c + i * u)
        dc = dc_next + dh_next * o * (1 - t ** 2)
        da = np.hstack([dc * u * i * (1 - i), dc * c * f * (1 - f), dh_next * t * o * (1 - o), dc * i * (1 - u ** 2)])
        dx = da @ wx.T
        dwx = x.T @ da
        dh = da @ wh.T
        dwh = h.T @ da
        db = da.sum(axis=0)
        return dx, dh, dc * f, dwx, dwh, db

    def sample(rng):
        N, D, H = lengths(rng, 3)
        return tuple(rng.standard_normal(s) for s in [(N, D), (N, H), (N, H), (D, 4 * H), (H, 4 * H), 4 * H])
    return forward, backward, sample


@layer
def gru_cell():
    def forward(x, h, wr, wz, wn):
        xh = np.concatenate([x, h], axis=1)
        r, z = sigmoid(xh @ wr), sigmoid(xh @ wz)
        n = np.tanh(np.concatenate([x, r * h], axis=1) @ wn)
        return (1 - z) * n + z * h

    def backward(dout, x, h, wr, wz, wn):
        D = x.shape[1]
        xh = np.concatenate([x, h], axis=1)
        r, z = sigmoid(xh @ wr), sigmoid(xh @ wz)
        xrh = np.concatenate([x, r * h], axis=1)
        n = np.tanh(xrh @ wn)
        dn = dout * (1 - z) * (1 - n ** 2)
        dz = dout * (h - n) * z * (1 - z)
        dxrh = dn @ wn.T
        dr = dxrh[:, D:] * h * r * (1 - r)
        dxh = dr @ wr.T + dz @ wz.T
        dx = dxh[:, :D] + dxrh[:, :D]
        dh = dxh[:, D:] + dxrh[:, D:] * r + dout * z
        return dx, dh, xh.T @ dr, xh.T @ dz, xrh.T @ dn

    def sample(rng):
        N, D, H = lengths(rng, 3)
        return tuple(rng.standard_normal(s) for s in [(N, D), (N, H), (D + H, H), (D + H, H), (D + H, H)])
    return forward, backward, sample
