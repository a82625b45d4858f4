"""Pictures of GANs at play: both losses, shares of classes, moving pictures, and fields over the plane.  See plot.py."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Sequence

import numpy as np

from .plot import COLOURS, figure, tile, write

BLUE, ORANGE = COLOURS[0], COLOURS[6]           # D and G, everywhere


def game(epochs: np.ndarray, discriminator, generator, accuracy, path, *, title: str, caption: str = "") -> Path:
    """Losses of both players and D's accuracy over time, (T,) each; epochs (T,) may be fractions."""
    fig = figure(9.0, 3.6, title, caption)
    left, right = fig.subplots(1, 2)
    left.plot(epochs, discriminator, color=BLUE, label="discriminator")
    left.plot(epochs, generator, color=ORANGE, linestyle="--", label="generator")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(fontsize=8)
    right.plot(epochs, 100 * np.asarray(accuracy), color=BLUE)
    right.axhline(50, color="0.5", linestyle=":")
    right.annotate("guessing", (epochs[-1], 50), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8,
                   color="0.35")
    right.set(xlabel="epoch", ylabel="images that D judges rightly (%)", ylim=(min(45, 100 * min(accuracy) - 2), 101))
    for axes in (left, right):
        axes.grid(alpha=0.25)
    return write(fig, path)


def shares(values: Sequence[float], names: Sequence[str], path, *, title: str, caption: str = "") -> Path:
    """The share of each class (sums to 1) as bars, beside the even share as a line."""
    fig = figure(6.4, 3.6, title, caption)
    axes = fig.subplots()
    bars = axes.bar(names, 100 * np.asarray(values), color=BLUE)
    axes.bar_label(bars, fmt="%.1f", fontsize=8, label_type="center")
    axes.axhline(100 / len(names), color="0.35", linestyle="--", label=f"{100 / len(names):g} % each")
    axes.set(xlabel="class, as the reader of digits sees it", ylabel="share of the samples (%)")
    axes.margins(y=0.25)
    axes.legend(fontsize=8, loc="upper right")
    axes.tick_params(axis="x", labelsize=8, rotation=0 if max(map(len, names)) < 3 else 30)
    return write(fig, path)


def film(frames: Sequence[np.ndarray], titles: Sequence[str], path, *, columns: int = 10, seconds: float = 0.6) -> Path:
    """An animated GIF: each frame a sheet of images (N,1,H,W) in [0,1]; it rests on the last one."""
    sheets = [1 - tile(f, columns) for f in frames]
    H, W = sheets[0].shape
    fig = figure(4.6, 4.6 * H / W + 0.5, " ")
    axes = fig.subplots()
    axes.axis("off")
    picture = axes.imshow(sheets[0], cmap="gray", vmin=0, vmax=1)

    def show(i):
        picture.set_data(sheets[i])
        axes.set_title(titles[i], fontsize=10)
    return animate(fig, show, len(sheets), path, seconds)


def animate(fig, show, count: int, path, seconds: float) -> Path:
    """show(0) … show(count − 1) as an animated GIF, under a temporary name until it is whole."""
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp.gif")
    FigureCanvasAgg(fig)
    writer = PillowWriter(fps=1 / seconds)
    try:
        with writer.saving(fig, temporary, dpi=90):
            for i in [*range(count), *[count - 1] * 3]:
                show(i)
                writer.grab_frame()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def field(axes, scores: np.ndarray, edge: np.ndarray, real: np.ndarray, made: np.ndarray, reach: float) -> None:
    """D's score at every place of a square grid (n,n), blue below 0 and orange above; real and made points (N,2)."""
    from matplotlib.colors import LinearSegmentedColormap
    colours = LinearSegmentedColormap.from_list("", ("#0072b2", "white", "#d55e00"))
    axes.pcolormesh(edge, edge, scores, cmap=colours, vmin=-reach, vmax=reach, alpha=0.8, shading="nearest", rasterized=True)
    axes.scatter(*real.T, s=10, color="black", marker="+", linewidths=0.8, label="real")
    axes.scatter(*made.T, s=5, color="#117733", edgecolors="white", linewidths=0.2, label="made")
    axes.set(xlim=(edge[0], edge[-1]), ylim=(edge[0], edge[-1]), aspect="equal", xticks=[], yticks=[])
