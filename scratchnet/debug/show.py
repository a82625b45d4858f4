"""Arrays, source lines and colours for a terminal."""
from __future__ import annotations

import os

import numpy as np

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Paint:
    """paint.bold("text"): with colours on a terminal that wants them, else the text as it is."""

    def __init__(self, stream):
        self.on = (bool(getattr(stream, "isatty", lambda: False)()) and not os.environ.get("NO_COLOR")
                   and os.environ.get("TERM") != "dumb")

    def __getattr__(self, style: str):
        if style not in STYLES:
            raise AttributeError(style)
        return lambda text: f"\033[{STYLES[style]}m{text}\033[0m" if self.on and text else text


def number(value: float) -> str:
    """Five digits and a sign that is always there: terms are read against each other."""
    return f"{value:+.5g}"


def shape(array) -> str:
    return f"{array.dtype} {array.shape}"


def statistics(array) -> str:
    """min, max, norm, and what should not be there: all of a large array that fits one line."""
    a = np.asarray(array)
    if a.size == 0:
        return "empty"
    finite = a[np.isfinite(a)]
    text = ""
    if finite.size:
        norm = np.linalg.norm(finite.astype(np.float64))
        text = f"min {number(finite.min())}  max {number(finite.max())}  norm {norm:.4g}"
    zeros = np.count_nonzero(a == 0)
    if zeros:
        text += f"  zero {100 * zeros / a.size:.0f} %"
    if finite.size < a.size:
        text += f"  NaN {np.isnan(a).sum()}  inf {np.isinf(a).sum()}"
    return text.strip()


def largest(array) -> tuple:
    """The index of the entry of largest size; NaN counts as largest of all."""
    a = np.abs(np.asarray(array))
    return tuple(int(i) for i in np.unravel_index(np.argmax(np.where(np.isnan(a), np.inf, a)), a.shape))


def values(array, width: int = 100) -> list[str]:
    """A small array whole; of a large one the neighbourhood of its largest entry."""
    a = np.asarray(array)
    if a.ndim == 0:
        return [number(a.item())]
    if a.size <= 24 and a.ndim <= 2:
        return block(a, width)
    at = largest(a)
    corner = tuple(slice(max(0, min(i - r, n - 2 * r - 1)), max(0, min(i - r, n - 2 * r - 1)) + 2 * r + 1)
                   for i, n, r in zip(at[-2:], a.shape[-2:], (1, 2) if a.ndim > 1 else (2,)))
    ranges = ", ".join([str(i) for i in at[:-2]] + [f"{s.start}:{min(s.stop, n)}" for s, n in zip(corner, a.shape[-2:])])
    return [f"largest {number(a[at])} at {list(at)}; around it, [{ranges}]:", *block(a[at[:-2]][corner], width)]


def block(a: np.ndarray, width: int) -> list[str]:
    if a.size == 0:
        return ["[]"]
    return np.array2string(a, max_line_width=width, formatter={"float_kind": lambda v: f"{v:+.4g}".rjust(10)}).splitlines()
