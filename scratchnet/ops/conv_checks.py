"""What conv2d and its two relatives accept: pairs, sizes, and words for what does not fit."""
import numpy as np


def pair(name: str, what: str, value, least: int) -> tuple[int, int]:
    """An int, or two of them for rows and columns, as a pair."""
    if type(value) is int and value >= least:                  # as most are
        return value, value
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in both):
        raise ValueError(f"{name}: {what} is {value!r}, expected an int or a pair of ints (rows, columns)")
    if min(both) < least:
        raise ValueError(f"{name}: {what} is {value!r}, expected at least {least}")
    return int(both[0]), int(both[1])


def steps(name: str, stride, padding, dilation) -> tuple:
    return pair(name, "stride", stride, 1), pair(name, "padding", padding, 0), pair(name, "dilation", dilation, 1)


def out_size(size, filters, s, p, d) -> tuple[int, int]:
    """(I, J) from (H, W) and (K, L):  I = ⌊(H + 2p − d(K−1) − 1)/s⌋ + 1."""
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, filters, s, p, d))


def four(name: str, **arrays) -> None:
    meaning = {"x": "(N, C, H, W)", "w": "(F, C, K, L)", "g": "(N, F, I, J)"}
    for k, a in arrays.items():
        if a.ndim != 4:
            raise ValueError(f"{name}: {k} has shape {a.shape}, expected 4 axes {meaning[k]}; a single image or "
                             f"filter needs its leading axes too, for instance {k}[None]")
        if 0 in a.shape:
            raise ValueError(f"{name}: {k} is empty, shape {a.shape}; every axis of {meaning[k]} must be 1 or more")


def bias(name: str, b, n: int, w) -> None:
    if b is not None and b.shape != (n,):
        raise ValueError(f"{name}: b has shape {b.shape}, expected ({n},): one number per output channel of "
                         f"w {w.shape}")


def fits(name: str, x_shape, size, s, p, d) -> None:
    """A filter, spread by its dilation, must not exceed the padded image."""
    for axis, what in ((0, "rows"), (1, "columns")):
        reach, room = d[axis] * (size[axis] - 1) + 1, x_shape[2 + axis] + 2 * p[axis]
        if reach > room:
            raise ValueError(f"{name}: the filter spans {reach} {what} (size {tuple(size)}, dilation {d}) but the padded "
                             f"image has only {room} (x {x_shape}, padding {p}); use a smaller filter or more padding")


def check_conv(x, w, b, stride, padding, dilation) -> tuple:
    s, p, d = steps("conv2d", stride, padding, dilation)
    four("conv2d", x=x, w=w)
    if x.shape[1] != w.shape[1]:
        raise ValueError(f"conv2d: x has {x.shape[1]} channels but w expects {w.shape[1]} (axis 1): x {x.shape}, "
                         f"w {w.shape} = (F, C, K, L)")
    bias("conv2d", b, w.shape[0], w)
    fits("conv2d", x.shape, w.shape[2:], s, p, d)
    return s, p, d


def check_transpose(g, w, b, size, stride, padding, dilation) -> tuple:
    name = "conv2d_transpose"
    s, p, d = steps(name, stride, padding, dilation)
    four(name, g=g, w=w)
    if g.shape[1] != w.shape[0]:
        raise ValueError(f"{name}: the input has {g.shape[1]} channels but w takes {w.shape[0]} (its axis 0): input "
                         f"{g.shape}, w {w.shape} = (F, C, K, L), input (N, F, I, J)")
    bias(name, b, w.shape[1], w)
    size = pair(name, "size", size, 1)
    expected = out_size(size, w.shape[2:], s, p, d)
    if g.shape[2:] != expected:
        raise ValueError(f"{name}: no image of size {size} gives the input {g.shape}: with w {w.shape}, stride {s}, "
                         f"padding {p}, dilation {d} it gives {expected}, not {g.shape[2:]}")
    return size, s, p, d


def check_weight(x, g, size, stride, padding, dilation) -> tuple:
    name = "conv2d_weight"
    s, p, d = steps(name, stride, padding, dilation)
    four(name, x=x, g=g)
    size = pair(name, "size", size, 1)
    fits(name, x.shape, size, s, p, d)
    expected = (x.shape[0], *out_size(x.shape[2:], size, s, p, d))
    if (g.shape[0], *g.shape[2:]) != expected:
        raise ValueError(f"{name}: x {x.shape} and filters of size {size} give {expected[0]} images of {expected[1:]}, "
                         f"but g has shape {g.shape} (stride {s}, padding {p}, dilation {d})")
    return size, s, p, d


def transposed_size(x, w, stride, padding, output_padding, dilation) -> tuple[int, int]:
    """(H, W) of the image that conv_transpose2d makes."""
    name = "conv_transpose2d"
    s, p, d = steps(name, stride, padding, dilation)
    extra = pair(name, "output_padding", output_padding, 0)
    if any(e >= step for e, step in zip(extra, s)):
        raise ValueError(f"{name}: output_padding is {output_padding!r}, expected less than the stride {stride!r}: "
                         "that is how many image sizes the stride cannot tell apart")
    for k, a in (("x", x), ("w", w)):
        if getattr(a, "ndim", None) != 4:
            raise ValueError(f"{name}: {k} has shape {getattr(a, 'shape', None)}, expected 4 axes "
                             + {"x": "(N, F, I, J)", "w": "(F, C, K, L)"}[k])
    size = tuple(s * (i - 1) + d * (k - 1) + 1 - 2 * p + e
                 for i, k, s, p, d, e in zip(x.shape[2:], w.shape[2:], s, p, d, extra))
    if min(size) < 1:
        raise ValueError(f"{name}: nothing is left of the image, size {size}: x {x.shape}, w {w.shape}, padding "
                         f"{padding!r}; use less padding")
    return size
