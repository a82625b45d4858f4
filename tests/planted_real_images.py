"""Bugs reported against real projects, continued: convolution, pooling, indexing.  See planted_real.py."""
import numpy as np

from tests.planted_real import reported, sizes

S = np.s_

# ---- convolution ------------------------------------------------------------------------------------------

@reported("pytorch #63314", "x", "CONST", "DY")
def transposed_convolution_1x1_forgets_its_stride():
    def forward(x, w, stride):
        N, F, I, J = x.shape
        y = np.zeros((N, w.shape[1], stride * (I - 1) + 1, stride * (J - 1) + 1))
        y[:, :, ::stride, ::stride] = np.einsum("nfij,fc->ncij", x, w)
        return y

    def backward(g, x, w, stride):
        I, J = x.shape[2:]
        dx = np.einsum("ncij,fc->nfij", g[:, :, :I, :J], w)
        dw = np.einsum("nfij,ncij->fc", x, g[:, :, ::stride, ::stride])
        return dx, dw, None

    def sample(rng):
        N, F, C, I, J = sizes(rng, 5)
        return rng.standard_normal((N, F, I, J)), rng.standard_normal((F, C)), int(rng.integers(2, 4))
    return forward, backward, sample


def conv_transpose1d(x, w, stride, extra=0):
    """x (N,F,I), w (F,C,K)"""
    N, F, I = x.shape
    _, C, K = w.shape
    y = np.zeros((N, C, stride * (I - 1) + K + extra))
    for i in range(I):
        y[:, :, stride * i:stride * i + K] += np.einsum("nf,fck->nck", x[:, :, i], w)
    return y


def conv1d(x, w, stride=1, dilation=1):
    """x (N,C,H), w (F,C,K)"""
    K = w.shape[2]
    I = (x.shape[2] - dilation * (K - 1) - 1) // stride + 1
    windows = np.stack([x[:, :, stride * i:stride * i + dilation * (K - 1) + 1:dilation] for i in range(I)], 2)
    return np.einsum("ncik,fck->nfi", windows, w)


@reported("candle #2337", "x *", "SHAPE", "CRASH", "CONST")
def transposed_convolution_swaps_stride_and_dilation():
    def forward(x, w):
        return conv_transpose1d(x, w, 2)

    def backward(g, x, w):
        dx = conv1d(g, w, stride=1, dilation=2)
        dw = np.einsum("nfi,ncik->fck", x, np.stack([g[:, :, 2 * i:2 * i + w.shape[2]] for i in range(x.shape[2])], 2))
        return dx, dw

    def sample(rng):
        N, F, C = sizes(rng, 3)
        return rng.standard_normal((N, F, int(rng.integers(4, 7)))), rng.standard_normal((F, C, 3))
    return forward, backward, sample


@reported("burn #4916", "x", "UNCROPPED", "SHAPE")
def output_padding_not_trimmed():
    def forward(x, w):
        return conv_transpose1d(x, w, 1, extra=1)

    def backward(g, x, w):
        dx = conv1d(g, w)
        dw = np.einsum("nfi,ncik->fck", x, np.stack([g[:, :, i:i + w.shape[2]] for i in range(x.shape[2])], 2))
        return dx, dw

    def sample(rng):
        N, F, C, I = sizes(rng, 4)
        return rng.standard_normal((N, F, I)), rng.standard_normal((F, C, 3))
    return forward, backward, sample


@reported("sebgao/cTensor #3", "w", "RATIO:")
def convolution_weights_averaged_over_batch_and_space():
    def forward(x, w):
        return conv1d(x, w)

    def backward(g, x, w):
        N, F, I = g.shape
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        for i in range(I):
            dx[:, :, i:i + w.shape[2]] += np.einsum("nf,fck->nck", g[:, :, i], w)
            dw += np.einsum("nf,nck->fck", g[:, :, i], x[:, :, i:i + w.shape[2]])
        return dx, dw * (1 / (N * I))

    def sample(rng):
        N, F, C, H = sizes(rng, 4, high=7)
        return rng.standard_normal((N, C, H + 3)), rng.standard_normal((F, C, 3))
    return forward, backward, sample


@reported("E2EML 321/322, postscript", "w", "FLIPPED")
def convolution_weights_reversed():
    def forward(x, w):
        return np.stack([np.correlate(row, w, "valid") for row in x])

    def backward(g, x, w):
        dx = np.stack([np.convolve(row, w) for row in g])
        dw = sum(np.correlate(row, grow, "valid") for row, grow in zip(x, g))
        return dx, dw[::-1]

    def sample(rng):
        return rng.standard_normal((3, int(rng.integers(6, 10)))), rng.standard_normal(int(rng.integers(3, 5)))
    return forward, backward, sample


def conv2d_loops(x, w, b, stride):
    """x (N,C,H,W), w (F,C,K,L), as in the courses"""
    (N, C, H, W), (F, _, K, L) = x.shape, w.shape
    y = np.zeros((N, F, (H - K) // stride + 1, (W - L) // stride + 1))
    for n, f, i, j in np.ndindex(y.shape):
        window = x[n, :, stride * i:stride * i + K, stride * j:stride * j + L]
        y[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return y


def conv2d_sample(rng):
    N, C, F = sizes(rng, 3, low=1, high=4)
    K, L = rng.permutation([2, 3])
    H, W = sizes(rng, 2, low=5, high=7)
    return rng.standard_normal((N, C, H, W)), rng.standard_normal((F, C, K, L)), rng.standard_normal(F), 2


@reported("Kulbear/deep-learning-coursera #34", "x w", "CONST:stride=1", "CONST")
def stride_missing_in_conv_backward():
    def backward(g, x, w, b, stride):
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        K, L = w.shape[2:]
        for n, f, i, j in np.ndindex(g.shape):
            dx[n, :, i:i + K, j:j + L] += w[f] * g[n, f, i, j]
            dw[f] += x[n, :, i:i + K, j:j + L] * g[n, f, i, j]
        return dx, dw, g.sum((0, 2, 3)), None
    return conv2d_loops, backward, conv2d_sample


def right_conv2d(g, x, w, b, stride):
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    K, L = w.shape[2:]
    for n, f, i, j in np.ndindex(g.shape):
        here = S[n, :, stride * i:stride * i + K, stride * j:stride * j + L]
        dx[here] += w[f] * g[n, f, i, j]
        dw[f] += x[here] * g[n, f, i, j]
    return dx, dw, g.sum((0, 2, 3)), None


@reported("nntrainer #705", "w", "TRANSPOSED")
def weight_gradient_with_channels_and_filters_exchanged():
    def backward(g, x, w, b, stride):
        dx, dw, db, _ = right_conv2d(g, x, w, b, stride)
        return dx, dw.transpose(1, 0, 2, 3), db, None
    return conv2d_loops, backward, conv2d_sample


@reported("nntrainer #705", "x", "SUBST:w flipped")
def weight_turned_by_180_degrees():
    def backward(g, x, w, b, stride):
        _, dw, db, _ = right_conv2d(g, x, w, b, stride)
        dx, _, _, _ = right_conv2d(g, x, w[:, :, ::-1, ::-1], b, stride)
        return dx, dw, db, None
    return conv2d_loops, backward, conv2d_sample


# ---- pooling, indexing ------------------------------------------------------------------------------------

@reported("FluxML/NNlib.jl #205", "x", "OVERWRITTEN")
def overlapping_windows_overwrite_each_other():
    def forward(x, size):
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
        return windows.max((4, 5))

    def backward(g, x, size):
        dx = np.zeros(x.shape)
        for n, c, i, j in np.ndindex(g.shape):
            window = x[n, c, i:i + size, j:j + size]
            k, l = np.unravel_index(window.argmax(), window.shape)
            dx[n, c, i + k, j + l] = g[n, c, i, j]
        return dx, None

    def sample(rng):
        N, C, H, W = sizes(rng, 4, low=2, high=5) + np.array([0, 0, 2, 2])
        return rng.permutation(N * C * H * W).reshape(N, C, H, W) / 10.0, int(rng.integers(2, 4))
    return forward, backward, sample


@reported("Theano #4568", "x", "KINK", "MISROUTED", "RATIO")
def every_one_of_several_largest_gets_all():
    def forward(x):
        return x.max(axis=1)

    def backward(g, x):
        return g[:, None] * (x == x.max(axis=1, keepdims=True))

    def sample(rng):
        return rng.integers(0, 2, sizes(rng, 2, low=3)).astype(float),
    return forward, backward, sample


@reported("pytorch #188345", "x", "SHIFTED", "CONST:padding=0", "CONST:pad=0")
def average_pooling_forgets_the_padding():
    def forward(x, size, padding):
        x = np.pad(x, ((0, 0), (padding, padding)))
        return np.lib.stride_tricks.sliding_window_view(x, size, 1).mean(-1)

    def backward(g, x, size, padding):
        dx = np.zeros((len(x), x.shape[1] + 2 * padding))
        for i in range(g.shape[1]):
            dx[:, i:i + size] += g[:, i:i + 1] / size
        return dx[:, :x.shape[1]], None, None

    def sample(rng):
        N, W = sizes(rng, 2, low=4, high=8)
        return rng.standard_normal((N, W)), 3, 1
    return forward, backward, sample


@reported("burn #5604", "x", "LOCAL", "CONTRIB", "DROPPED", "RATIO", "FACTOR")
def last_window_divided_by_its_full_size():
    def forward(x, size):
        return np.stack([x[:, i:i + size].mean(1) for i in range(0, x.shape[1], size)], 1)

    def backward(g, x, size):
        return np.repeat(g, size, axis=1)[:, :x.shape[1]] / size, None

    def sample(rng):
        return rng.standard_normal((int(rng.integers(2, 5)), 3 * int(rng.integers(2, 4)) + 2)), 3
    return forward, backward, sample


@reported("pytorch #1528", "x", "OVERWRITTEN", "CONTRIB")
def an_index_named_twice_keeps_the_last():
    def forward(x, index):
        return x[index]

    def backward(g, x, index):
        dx = np.zeros(x.shape)
        dx[index] = g
        return dx, None

    def sample(rng):
        N, D = sizes(rng, 2)
        return rng.standard_normal((N, D)), rng.integers(0, N, 2 * N)
    return forward, backward, sample


@reported("ooples/AiDotNet.Tensors #894", "x", "MISROUTED", "DY")
def gather_goes_back_as_a_gather():
    def forward(x, index):
        return x[index]

    def backward(g, x, index):
        return g[index[np.arange(len(x)) % len(index)] % len(index)], None

    def sample(rng):
        N, D = sizes(rng, 2, low=3)
        return rng.standard_normal((N, D)), rng.integers(0, N, N + 2)
    return forward, backward, sample
