"""Which input feeds which output of a convolution, along one axis at a time.  See plot.py.

    conv         y[i]            reads  x[s·i + d·k − p]        for k = 0 … K−1
    transposed   x[i]  feeds  y[s·i + d·k − p],  the same pairs read the other way: its size is the choice
                 H = s(I−1) + d(K−1) + 1 − 2p + output_padding,  0 ≤ output_padding < s
The offsets d·k fall on s phases.  Where some phases get more of them than others, neighbouring entries are
sums of different numbers of terms: the checkerboards of transposed convolutions, and of a convolution's dx.
Source  Dumoulin & Visin 2016, arXiv:1603.07285; Odena, Dumoulin & Olah 2016, "Deconvolution and Checkerboard Artifacts".
"""
from __future__ import annotations

import warnings
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np

from .ops.conv_checks import pair
from .plot import COLOURS, figure, write

FEW = 40                                        # cells of an axis that can still be told apart


class Axis(NamedTuple):
    """One axis: `small` entries on the strided side, `large` on the other; feeds: (small, tap, large) that touch."""
    small: int
    large: int
    feeds: list
    phases: np.ndarray                          # how many taps fall on each phase of the stride


def axis_of(size: int, kernel: int, s: int, p: int, d: int, op: int, transposed: bool) -> Axis:
    reach = d * (kernel - 1) + 1
    if transposed:
        small, large = size, s * (size - 1) + reach - 2 * p + op
    else:
        small, large = (size + 2 * p - reach) // s + 1 if size + 2 * p >= reach else 0, size
    if small < 1 or large < 1:
        left = "nothing after cropping the padding" if transposed else f"no output: the filter spans {reach} of {size + 2 * p}"
        raise ValueError(f"conv_geometry: size {size}, kernel {kernel}, stride {s}, padding {p}, dilation {d} leave {left}")
    feeds = [(i, k, s * i + d * k - p) for i in range(small) for k in range(kernel) if 0 <= s * i + d * k - p < large]
    return Axis(small, large, feeds, np.bincount(d * np.arange(kernel) % s, minlength=s))


def checkerboard(axis: Axis, settings: tuple, transposed: bool) -> str:
    """The sentence that warns, or nothing."""
    _, kernel, stride, _, dilation, _ = settings
    few, many = int(axis.phases.min()), int(axis.phases.max())
    if few == many:
        return ""
    what = "an output is the sum of" if transposed else "in backward, an entry of the image's gradient is the sum of"
    if np.gcd(stride, dilation) > 1:
        return (f"checkerboard: stride {stride} and dilation {dilation} have a common factor, so {what} {few} or {many} terms, "
                "by turns; no kernel shares them evenly")
    better = sorted({stride * max(1, kernel // stride), stride * (kernel // stride + 1)})
    return (f"checkerboard: stride {stride} does not divide kernel {kernel}, so {what} {few} or {many} terms, by turns; "
            f"a kernel of {' or '.join(map(str, better))} would share them evenly")


def conv_geometry(size, kernel, path, *, stride=1, padding=0, dilation=1, output_padding=0, transposed: bool = False,
                  title: str = "", caption: str = "") -> Path:
    """Draw which input feeds which output, for rows and (where they differ) columns, and how many terms meet where.

    size     of the input, an int or a pair (rows, columns), as all settings.  transposed: as conv_transpose2d has them.
    Warns    UserWarning, also written into the picture, where taps fall unevenly on the stride: checkerboards.
    Shapes   conv: I = ⌊(H + 2p − d(K−1) − 1)/s⌋ + 1;  transposed: H = s(I−1) + d(K−1) + 1 − 2p + output_padding.
    Errors   ValueError: output_padding outside [0, stride) or without transposed, nothing left, or over 40 entries.
    Source   see the head of this file.
    """
    given = (("size", size, 1), ("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0),
             ("dilation", dilation, 1), ("output_padding", output_padding, 0))
    of_axes = list(zip(*(pair("conv_geometry", *one) for one in given)))       # the settings of the rows, of the columns
    for n, K, s, p, d, op in of_axes:
        if not transposed and op:
            raise ValueError("conv_geometry: output_padding is a setting of transposed convolutions: pass transposed=True")
        if op >= s:
            raise ValueError(f"conv_geometry: output_padding {op}, expected 0 ≤ output_padding < stride {s}: beyond that, "
                             f"size {n + 1} says the same")
    shown = [a for k, a in enumerate(of_axes) if k == 0 or a != of_axes[0]]
    axes_ = [axis_of(*a, transposed) for a in shown]
    for axis in axes_:
        if max(axis.small, axis.large) > FEW:
            raise ValueError(f"conv_geometry: {max(axis.small, axis.large)} entries on one axis, expected at most {FEW}: "
                             "a smaller size shows the same pattern")
    notes = [checkerboard(axis, a, transposed) for axis, a in zip(axes_, shown)]
    for note in filter(None, notes):
        warnings.warn(note, stacklevel=2)
    name = "Transposed convolution" if transposed else "Convolution"
    widest = max(max(a.small, a.large) + 2 * s[3] for a, s in zip(axes_, shown))
    fig = figure(max(7.0, 0.34 * widest + 1.6), 4.4 * len(shown) + 0.6, title or name, caption)
    cells = fig.subplots(2 * len(shown), 1, squeeze=False, gridspec_kw={"height_ratios": [2.6, 1] * len(shown)})[:, 0]
    for k, (axis, settings, note) in enumerate(zip(axes_, shown, notes)):
        heading = ("rows" if k == 0 else "columns") if len(shown) > 1 else "rows and columns alike"
        draw_pairs(cells[2 * k], axis, settings, transposed, heading)
        draw_counts(cells[2 * k + 1], axis, settings, note, transposed)
    return write(fig, path)


def draw_pairs(axes, axis: Axis, settings: tuple, transposed: bool, heading: str) -> None:
    """The large side below, the small one above each stride; a line for each pair, coloured by tap."""
    size, K, s, p, d, op = settings
    above = [s * i + d * (K - 1) / 2 - p for i in range(axis.small)]           # over the middle of what it touches
    for i, k, u in axis.feeds:
        label = f"k = {k}" if (i, k) == first(axis, k) else None
        axes.plot([above[i], u], [1, 0], color=COLOURS[k % 10], lw=1.3, label=label)
    for i, x in enumerate(above):
        cell(axes, x, 1, str(i))
    for u in range(-p, axis.large + p):
        inside = 0 <= u < axis.large
        cell(axes, u, 0, str(u) if inside else "", padding=not inside, chosen=transposed and inside and u >= axis.large - op)
    small, large = ("input", "output") if transposed else ("output", "input")
    made = axis.large if transposed else axis.small
    text = f"{heading}: {size} → {made},  kernel {K}, stride {s}, padding {p}, dilation {d}"
    if transposed and s > 1:
        sizes = [str(axis.large - op + o) for o in range(s)]
        text += (f"\na convolution with these settings maps {', '.join(sizes[:-1])} and {sizes[-1]} alike to {size}:"
                 f"\noutput_padding, 0 to {s - 1}, says which of them comes back; here {op}: {axis.large}")
    axes.set_title(text, fontsize=9, loc="left")
    axes.set(xlim=(-p - 0.8, axis.large + p + 1.6), ylim=(-0.3, 1.3))
    axes.set_yticks([0, 1], [f"{large} ", f"{small} "], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    lines = dict(sorted(zip(*axes.get_legend_handles_labels()[::-1]), key=lambda pair: int(pair[0].rpartition(" ")[2])))
    axes.legend(lines.values(), lines, fontsize=7, title="tap", title_fontsize=7, loc="center right", frameon=False)


def first(axis: Axis, tap: int) -> tuple:
    return next((i, k) for i, k, _ in axis.feeds if k == tap)


def cell(axes, x: float, y: float, text: str, padding: bool = False, chosen: bool = False) -> None:
    from matplotlib.patches import Rectangle
    colour = "#ffdf9e" if chosen else "0.92" if padding else "white"
    axes.add_patch(Rectangle((x - 0.42, y - 0.13), 0.84, 0.26, facecolor=colour, edgecolor="0.6" if padding else "black",
                             hatch="////" if padding else None, lw=0.8, zorder=3))
    axes.text(x, y, text, ha="center", va="center", fontsize=7, zorder=4)


def draw_counts(axes, axis: Axis, settings: tuple, note: str, transposed: bool) -> None:
    """How many terms meet in each entry of the large side."""
    counts = np.bincount([u for _, _, u in axis.feeds], minlength=axis.large)
    axes.bar(range(axis.large), counts, width=0.84, color=[COLOURS[0] if c == counts.max() else COLOURS[1] for c in counts])
    axes.set(ylabel="terms", xlim=(-settings[3] - 0.8, axis.large + settings[3] + 1.6), ylim=(0, counts.max() + 0.6))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xticks(range(axis.large), range(axis.large), fontsize=6)
    side = "output" if transposed else "input"
    words = note or f"terms that meet in each {side} entry: the same inside, fewer at the borders"
    axes.set_xlabel(fill(words, 95), fontsize=8, color=COLOURS[2] if note else "0.3")
    axes.spines[["top", "right"]].set_visible(False)
