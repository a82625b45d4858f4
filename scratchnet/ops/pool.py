"""Pooling: each window of the image becomes one number, its largest or its mean.

    max    y[n,c,i,j] = x[n,c, where[n,c,i,j]]     where: the first largest pixel of window (i,j)
    mean   y[n,c,i,j] = Σ_kl x[n,c, s·i+k−p, s·j+l−p] / (K·L)

Derivation   Max picks pixels: `take`.  A pixel receives the sum of the g of all windows that picked it:
             `put`, and ⟨g, take(x)⟩ = ⟨put(g), x⟩ makes each the other's adjoint.  `where` is integers,
             constant almost everywhere, so it is kept.  The mean is linear; its adjoint hands g/(K·L)
             to every pixel of the window: avg_pool2d_transpose.
Shapes       x (N,C,H,W); size (K,L), stride s (default: size), padding p, each an int or a pair;
             y (N,C,I,J), I = ⌊(H+2p−K)/s⌋+1.  Padded zeros count in the mean; max never picks padding.
Errors       ValueError: a window exceeds the padded image; max with padding above half the window.
Source       Goodfellow, Bengio & Courville 2016, §9.3; Dumoulin & Visin 2016, arXiv:1603.07285, ch. 3.
"""
import numpy as np

from ..kernel import jit, kernel
from ..op import keep, op
from ..threads import parallel
from .conv_checks import fits, four, out_size, pair
from .conv_kernels import windows

ONE = (1, 1)


@op
def max_pool2d(x, *, size, stride=None, padding=0):
    """y[n,c,i,j] = the largest x in window (i,j); on a tie the first in reading order."""
    size, s, p = check_pool("max_pool2d", x, size, stride, padding)
    if p[0] > size[0] // 2 or p[1] > size[1] // 2:
        raise ValueError(f"max_pool2d: padding {p} exceeds half the window {size}: some windows would see no pixel")
    where = argmax_windows(x, size, s, p)
    return keep(take_pixels(x, where), where=where)
@max_pool2d.vjp("x")
def max_pool2d_dx(g, where, x_shape): return put(g, where=where, size=x_shape[2:])


@op
def take(x, *, where):
    """y[n,c,i,j] = x[n,c] at flat pixel number where[n,c,i,j]"""
    four("take", x=x)
    check_where("take", where, x.shape)
    return take_pixels(x, where)
@take.vjp("x")
def take_dx(g, where, x_shape): return put(g, where=where, size=x_shape[2:])


@op
def put(g, *, where, size):
    """x[n,c] at pixel where[n,c,i,j] += g[n,c,i,j]"""
    four("put", g=g)
    check_where("put", where, g.shape[:2] + tuple(size))
    if np.shape(where) != g.shape:
        raise ValueError(f"put: g has shape {g.shape} but where has {np.shape(where)}, expected the same")
    return put_pixels(g, where, tuple(size))
@put.vjp("g")
def put_dg(h, where): return take(h, where=where)


@op
def avg_pool2d(x, *, size, stride=None, padding=0):
    """y[n,c,i,j] = the mean of window (i,j), padded zeros included"""
    size, s, p = check_pool("avg_pool2d", x, size, stride, padding)
    return windows(x, size, s, p, ONE).mean(axis=(2, 3))
@avg_pool2d.vjp("x")
def avg_pool2d_dx(g, x_shape, size, stride, padding):
    return avg_pool2d_transpose(g, image=x_shape[2:], size=size, stride=stride, padding=padding)


@op
def avg_pool2d_transpose(g, *, image, size, stride=None, padding=0):
    """x[n,c,u,v] = Σ g[n,c,i,j] / (K·L) over the windows (i,j) that contain pixel (u,v) of `image` = (H,W)"""
    four("avg_pool2d_transpose", g=g)
    size, s, p = check_pool("avg_pool2d_transpose", np.broadcast_to(g[:1, :1, :1, :1], g.shape[:2] + tuple(image)),
                            size, stride, padding)
    (N, C, I, J), (H, W) = g.shape, image
    if (I, J) != out_size(image, size, s, p, ONE):
        raise ValueError(f"avg_pool2d_transpose: windows of {size} over an image {tuple(image)}, stride {s}, padding {p}, "
                         f"give {out_size(image, size, s, p, ONE)} numbers, not {(I, J)} (g {g.shape})")
    x = np.zeros((N, C, H + 2 * p[0], W + 2 * p[1]), g.dtype)
    for k, l in np.ndindex(*size):
        x[:, :, k:k + s[0]*I:s[0], l:l + s[1]*J:s[1]] += g
    return x[:, :, p[0]:p[0] + H, p[1]:p[1] + W] / (size[0] * size[1])
@avg_pool2d_transpose.vjp("g")
def avg_pool2d_transpose_dg(h, size, stride, padding):
    return avg_pool2d(h, size=size, stride=stride, padding=padding)


def check_pool(name: str, x, size, stride, padding) -> tuple:
    size = pair(name, "size", size, 1)
    s = size if stride is None else pair(name, "stride", stride, 1)
    p = pair(name, "padding", padding, 0)
    four(name, x=x)
    fits(name, x.shape, size, s, p, ONE)
    return size, s, p


def check_where(name: str, where, shape: tuple) -> None:
    """The compiled loops trust these numbers: one outside the image would touch other memory."""
    pixels = shape[2] * shape[3]
    if np.asarray(where).dtype.kind not in "iu":
        raise TypeError(f"{name}: where has dtype {np.asarray(where).dtype}, expected integers (pixel numbers)")
    if np.shape(where)[:2] != shape[:2] or np.ndim(where) != 4:
        raise ValueError(f"{name}: where has shape {np.shape(where)}, expected {shape[:2]} + (I, J)")
    if np.size(where) and not 0 <= np.min(where) <= np.max(where) < pixels:
        raise ValueError(f"{name}: where names pixels {np.min(where)} to {np.max(where)}, expected 0 to {pixels - 1}")

# ---- kernels ------------------------------------------------------------------------------------


@kernel
def argmax_windows(x, size, s, p):
    """where[n,c,i,j] = h·W + w of the first largest pixel of window (i,j); a NaN counts as largest."""
    H, W = x.shape[2:]
    inside = windows(np.ones((1, 1, H, W), bool), size, s, p, ONE)           # (1,1,K,L,I,J)
    cols = np.where(inside, windows(x, size, s, p, ONE), -np.inf)            # (N,C,K,L,I,J)
    N, C, K, L, I, J = cols.shape
    largest = ~(cols < cols.max(axis=(2, 3), keepdims=True)) & inside        # never padding; all, where one is NaN
    first = np.where(np.isnan(cols).any(axis=(2, 3), keepdims=True), np.isnan(cols), largest)
    k, l = np.divmod(first.reshape(N, C, K * L, I, J).argmax(axis=2), L)     # (N,C,I,J)
    h, w = s[0] * np.arange(I)[:, None] + k - p[0], s[1] * np.arange(J) + l - p[1]
    return h * W + w


@kernel
def take_pixels(x, where):
    """y[n,c,i,j] = x[n,c].flat[where[n,c,i,j]]"""
    N, C, I, J = where.shape
    return np.take_along_axis(x.reshape(N, C, -1), where.reshape(N, C, I * J), axis=2).reshape(where.shape)


@kernel
def put_pixels(g, where, size):
    """x[n,c].flat[where[n,c,i,j]] += g[n,c,i,j], pixels picked twice add up"""
    N, C = g.shape[:2]
    x = np.zeros((N * C, size[0] * size[1]), g.dtype)
    np.add.at(x, (np.arange(N * C)[:, None], where.reshape(N * C, -1)), g.reshape(N * C, -1))
    return x.reshape(N, C, *size)


@argmax_windows.fast
def argmax_windows_fast(x, size, s, p):
    N, C, H, W = x.shape
    where = np.empty((N, C, (H + 2 * p[0] - size[0]) // s[0] + 1, (W + 2 * p[1] - size[1]) // s[1] + 1), np.int64)

    def work(todo):
        for n in todo:
            argmax_loop(x[n], where[n], *size, *s, *p)
    parallel(work, N)
    return where


@jit
def argmax_loop(x, where, K, L, s, t, p, q):
    """One image: look through each window in reading order, keep the first that is larger."""
    C, H, W = x.shape
    for c in range(C):
        for i in range(where.shape[1]):
            for j in range(where.shape[2]):
                best, top = -1, x[c, 0, 0]                                   # none yet
                for h in range(max(0, s * i - p), min(H, s * i - p + K)):
                    for w in range(max(0, t * j - q), min(W, t * j - q + L)):
                        a = x[c, h, w]
                        if best < 0 or a > top or (a != a and top == top):
                            best, top = h * W + w, a
                where[c, i, j] = best


@take_pixels.fast
def take_pixels_fast(x, where):
    y = np.empty(where.shape, x.dtype)
    take_loop(x.reshape(-1, x.shape[2] * x.shape[3]), where.reshape(-1, where.shape[2] * where.shape[3]),
              y.reshape(-1, where.shape[2] * where.shape[3]))
    return y


@jit
def take_loop(x, where, y):
    for r in range(len(x)):
        for i in range(where.shape[1]):
            y[r, i] = x[r, where[r, i]]


@put_pixels.fast
def put_pixels_fast(g, where, size):
    x = np.zeros((*g.shape[:2], *size), g.dtype)
    put_loop(g.reshape(-1, g.shape[2] * g.shape[3]), where.reshape(-1, g.shape[2] * g.shape[3]),
             x.reshape(-1, size[0] * size[1]))
    return x


@jit
def put_loop(g, where, x):
    for r in range(len(x)):
        for i in range(where.shape[1]):
            x[r, where[r, i]] += g[r, i]
