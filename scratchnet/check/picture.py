"""The picture of a wrong gradient: what came back, what was measured, and their difference, on one scale of colour."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from .. import plot
from .findings import Finding


def sheet(a: np.ndarray) -> np.ndarray:
    """Any gradient as one matrix: images side by side (rows of images, columns of channels), vectors as one row."""
    if a.ndim <= 2:
        return np.atleast_2d(a)
    *lead, H, W = a.shape
    rows, columns = (lead[0], int(np.prod(lead[1:]))) if len(lead) > 1 else (1, lead[0])
    tiles = np.full((rows, columns, H + 1, W + 1), np.nan)
    tiles[:, :, :H, :W] = a.reshape(rows, columns, H, W)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * (H + 1), -1)[:-1, :-1]


def picture(findings: Sequence[Finding], path) -> Path:
    """Write it as PNG: one row per finding that has numbers."""
    shown = [f for f in findings if f.got is not None and f.right is not None and f.got.shape == f.right.shape and f.got.size]
    fig = plot.figure(10, 0.9 + 2.6 * max(len(shown), 1), "Gradients: backward, measured, difference",
                      "; ".join(f"{f.target}: {f.key}" for f in findings))
    for row, f in zip(fig.subplots(max(len(shown), 1), 3, squeeze=False), shown):
        size = max(np.abs(f.right).max(), np.abs(np.nan_to_num(f.got, posinf=0, neginf=0)).max(), 1e-300)
        for axes, a, name in zip(row, (f.got, f.right, f.got - f.right), ("backward", "measured", "difference")):
            image = axes.imshow(sheet(a), cmap="PuOr", vmin=-size, vmax=size, aspect="auto", interpolation="nearest")
            axes.set_title(f"{f.target}: {name}", fontsize=10)
            axes.tick_params(labelsize=8)
        fig.colorbar(image, ax=list(row), shrink=0.9)
    if not shown:
        fig.subplots().set_axis_off()
    return plot.write(fig, path)
