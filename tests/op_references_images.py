"""The slow loops of convolution and pooling; all others are in op_references.py."""
from __future__ import annotations

import math

import numpy as np

import scratchnet as sn
from scratchnet.ops import batch_norm, conv, conv_chain, conv_relu, pool
from tests.op_draw import pair
from tests.op_loops import REFERENCE, every, reference_of


# ---- convolution and pooling --------------------------------------------------------------------

def taps(x_shape, w_shape, g_shape, stride, padding, dilation):
    """All (n,f,c,k,l,i,j,h,w) where filter tap (k,l) of output (i,j) falls on a pixel (h,w) of the image."""
    (s, t), (p, q), (d, e) = pair(stride), pair(padding), pair(dilation)
    (N, C, H, W), (F, _, K, L), (_, _, I, J) = x_shape, w_shape, g_shape
    for n, f, c, k, l, i, j in every((N, F, C, K, L, I, J)):
        h, w = s * i + d * k - p, t * j + e * l - q
        if 0 <= h < H and 0 <= w < W:
            yield n, f, c, k, l, i, j, h, w


def image_length(n, k, s, p, d):
    """How many outputs: count the starts from which the filter stays inside the padded image."""
    return sum(1 for start in range(-p, n + p, s) if start + d * (k - 1) < n + p)


def output_shape(x_shape, size, stride, padding, dilation):
    return tuple(image_length(*each) for each in zip(x_shape[2:], size, *map(pair, (stride, padding, dilation))))


def add_bias(y, b):
    for i in every(y.shape if b is not None else (0,)):
        y[i] += b[i[1]]
    return y


@reference_of(sn.conv2d)
def _(x, w, b=None, stride=1, padding=0, dilation=1):
    y = np.zeros((len(x), len(w), *output_shape(x.shape, w.shape[2:], stride, padding, dilation)))
    for n, f, c, k, l, i, j, h, v in taps(x.shape, w.shape, y.shape, stride, padding, dilation):
        y[n, f, i, j] += x[n, c, h, v] * w[f, c, k, l]
    return add_bias(y, b)


@reference_of(conv.conv2d_transpose)
def _(g, w, b=None, *, size, stride=1, padding=0, dilation=1):
    x = np.zeros((len(g), w.shape[1], *size))
    for n, f, c, k, l, i, j, h, v in taps(x.shape, w.shape, g.shape, stride, padding, dilation):
        x[n, c, h, v] += g[n, f, i, j] * w[f, c, k, l]
    return add_bias(x, b)


@reference_of(conv_relu.conv2d_relu)
def _(x, w, b=None, slope=0.0, **settings):
    z = REFERENCE[sn.conv2d](x, w, b, **settings)
    return np.where(z.real > 0, z, slope * z)


@reference_of(conv_relu.conv2d_transpose_relu)
def _(g, w, b=None, slope=0.0, **settings):
    z = REFERENCE[conv.conv2d_transpose](g, w, b, **settings)
    return np.where(z.real > 0, z, slope * z)


@reference_of(conv_chain)
def _(x, weights, stages):
    for stage, w, b in zip(stages, weights[::2], weights[1::2]):
        settings = {"stride": stage.stride, "padding": stage.padding, "dilation": stage.dilation}
        if stage.transposed:
            x = REFERENCE[sn.conv_transpose2d](x, w, b, output_padding=stage.output_padding, **settings)
        else:
            x = REFERENCE[sn.conv2d](x, w, b, **settings)
        x = np.where(x.real > 0, x, stage.slope * x)
    return x


@reference_of(batch_norm)
def _(x, gamma, beta, eps=1e-5, slope=None):
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        m = sum(x[n, c, i, j] for n, i, j in every((len(x), *x.shape[2:]))) / x[:, c].size
        v = sum((x[n, c, i, j] - m) ** 2 for n, i, j in every((len(x), *x.shape[2:]))) / x[:, c].size
        z = gamma[c] * (x[:, c] - m) / (v + eps) ** 0.5 + beta[c]
        y[:, c] = z if slope is None else np.where(z.real > 0, z, slope * z)
    return y


@reference_of(conv.conv2d_weight)
def _(x, g, size, stride=1, padding=0, dilation=1):
    w = np.zeros((g.shape[1], x.shape[1], *size))
    for n, f, c, k, l, i, j, h, v in taps(x.shape, w.shape, g.shape, stride, padding, dilation):
        w[f, c, k, l] += x[n, c, h, v] * g[n, f, i, j]
    return w


@reference_of(sn.conv_transpose2d)
def _(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1):
    """Each pixel of x stamps the filter on a canvas; the canvas is cut at its sides, or grows at its ends."""
    (s, t), (p, q), (u, v), (d, e) = map(pair, (stride, padding, output_padding, dilation))
    (N, F, I, J), (_, C, K, L) = x.shape, w.shape
    canvas = np.zeros((N, C, s * (I - 1) + d * (K - 1) + 1 + u, t * (J - 1) + e * (L - 1) + 1 + v))
    for n, f, c, k, l, i, j in every((N, F, C, K, L, I, J)):
        canvas[n, c, s * i + d * k, t * j + e * l] += x[n, f, i, j] * w[f, c, k, l]
    return add_bias(canvas[:, :, p:canvas.shape[2] - p, q:canvas.shape[3] - q].copy(), b)


def windows(x_shape, size, stride, padding):
    """All (n,c,i,j) with the list of the pixels in that window, in reading order."""
    s, p = pair(size if stride is None else stride), pair(padding)
    for n, c, i, j in every((*x_shape[:2], *output_shape(x_shape, pair(size), s, p, 1))):
        yield (n, c, i, j), [(n, c, h, w) for h in range(s[0] * i - p[0], s[0] * i - p[0] + pair(size)[0])
                             for w in range(s[1] * j - p[1], s[1] * j - p[1] + pair(size)[1])
                             if 0 <= h < x_shape[2] and 0 <= w < x_shape[3]]


def pooled(x, size, stride, padding, formula):
    y = np.zeros((*x.shape[:2], *output_shape(x.shape, pair(size), size if stride is None else stride, padding, 1)))
    for i, pixels in windows(x.shape, size, stride, padding):
        y[i] = formula([x[pixel] for pixel in pixels])
    return y


@reference_of(sn.max_pool2d)
def _(x, size, stride=None, padding=0):
    return pooled(x, size, stride, padding, max)


@reference_of(sn.avg_pool2d)
def _(x, size, stride=None, padding=0):
    return pooled(x, size, stride, padding, lambda row: math.fsum(row) / math.prod(pair(size)))


@reference_of(pool.avg_pool2d_transpose)
def _(g, image, size, stride=None, padding=0):
    x = np.zeros((*g.shape[:2], *image))
    for i, pixels in windows(x.shape, size, stride, padding):
        for pixel in pixels:
            x[pixel] += g[i] / math.prod(pair(size))
    return x


@reference_of(pool.take)
def _(x, where):
    y = np.zeros(where.shape)
    for n, c, i, j in every(y.shape):
        y[n, c, i, j] = x[n, c, where[n, c, i, j] // x.shape[3], where[n, c, i, j] % x.shape[3]]
    return y


@reference_of(pool.put)
def _(g, where, size):
    x = np.zeros((*g.shape[:2], *size))
    for n, c, i, j in every(g.shape):
        x[n, c, where[n, c, i, j] // size[1], where[n, c, i, j] % size[1]] += g[n, c, i, j]
    return x
