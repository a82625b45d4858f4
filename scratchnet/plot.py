"""Pictures, written to files.  The only module that imports matplotlib, and only when one is drawn.

Every function takes arrays and a path; figures never open a window.  `caption` is the small line below:
the data set and how long was trained.  Class colours are ten that colour-blind readers can tell apart
(Petroff 2021, arXiv:2107.02270), and classes are named in the picture as well.
"""
from __future__ import annotations

import os
from pathlib import Path
from textwrap import fill
from typing import NamedTuple, Sequence

import numpy as np

COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581",
           "#92dadd")


def figure(width: float, height: float, title: str, caption: str = ""):
    """An empty Figure (inches) with its title above and its caption below, broken into lines that fit."""
    from matplotlib.figure import Figure
    fig = Figure(figsize=(width, height), layout="constrained")
    fig.suptitle(fill(title, int(11 * width)) or title, fontsize=12)
    fig.supxlabel("\n".join(fill(line, int(15 * width)) for line in caption.split("\n")), fontsize=8, color="0.35")
    return fig


def write(fig, path) -> Path:
    """Save as PNG under a temporary name, then rename: a reader never sees half a picture."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fig.savefig(temporary, dpi=150, format="png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (N,1,H,W) or (N,H,W) side by side, `columns` in a row, one pixel of grey between them."""
    images = images.reshape(-1, *images.shape[-2:])
    N, H, W = images.shape
    rows = -(-N // columns)
    sheet = np.full((rows * (H + 1) + 1, columns * (W + 1) + 1), 0.5, images.dtype)
    for n, image in enumerate(images):
        r, c = divmod(n, columns)
        sheet[r * (H + 1) + 1:(r + 1) * (H + 1), c * (W + 1) + 1:(c + 1) * (W + 1)] = image
    return sheet


def show(axes, images: np.ndarray, columns: int, extent=None) -> None:
    axes.imshow(1 - tile(images, columns), cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto" if extent else None)


def images(pictures: np.ndarray, path, *, title: str, caption: str = "", columns: int = 10,
           rows: Sequence[str] = (), headings: Sequence[str] = ()) -> Path:
    """A sheet of images (N,1,H,W) with values in [0,1], black ink on white, row by row.

    rows, headings   labels at the left of each row and above each column, or none.
    """
    H, W = pictures.shape[-2:]
    count = -(-len(pictures) // columns)
    fig = figure(max(4.5, 0.55 * columns + (1.4 if rows else 0.3)), max(2.0, 0.55 * count * H / W + 0.9), title, caption)
    axes = fig.subplots()
    show(axes, pictures, columns)
    axes.set_yticks([(H + 1) * (r + 0.5) for r in range(len(rows))], rows, fontsize=8)
    axes.set_xticks([(W + 1) * (c + 0.5) for c in range(len(headings))], headings, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return write(fig, path)


def latent(codes: np.ndarray, labels: np.ndarray, path, *, title: str, caption: str = "", axes_names=("z₁", "z₂"),
           names: Sequence[str] = "0123456789") -> Path:
    """Codes (N,2) as dots coloured by class (N,), each class named at its median, or as near as the other names allow."""
    fig = figure(7.2, 6.4, title, caption)
    axes = fig.subplots()
    scatter(axes, codes, labels, names)
    axes.set_xlabel(axes_names[0]), axes.set_ylabel(axes_names[1])
    name_classes(fig, labels, names)
    return write(fig, path)


def scatter(axes, codes: np.ndarray, labels: np.ndarray, names: Sequence[str] = "0123456789") -> None:
    from matplotlib.patheffects import withStroke
    axes.scatter(*codes.T, s=2, alpha=0.5, linewidths=0, c=[COLOURS[i] for i in labels])
    medians = np.array([np.median(codes[labels == i], axis=0) for i in np.unique(labels)])
    for i, place in zip(np.unique(labels), apart(medians, 0.055 * np.ptp([axes.get_xlim(), axes.get_ylim()], axis=1))):
        axes.text(*place, names[i], ha="center", va="center", weight="bold",
                  fontsize=14 if len(names[i]) == 1 else 8, path_effects=[withStroke(linewidth=3, foreground="white")])


def apart(places: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The places (N,2), pushed from each other until hardly two are nearer than `reach` (2,): room for a name at each."""
    places = places / reach + 1e-3 * np.random.default_rng(0).standard_normal(places.shape)      # equal ones part as well
    for _ in range(100):
        away = places[:, None] - places                                    # (N,N,2)
        far = np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1e-9)
        places = places + 0.3 * (np.maximum(1 - far, 0) * away / far).sum(axis=1)
    return places * reach


class Panel(NamedTuple):
    """One of several scatters: codes (N,2) and their classes, as dots, or with sigma (N,2) as clouds N(code, σ²).

    marks (M,2): places to number 1 … M.
    """
    heading: str
    codes: np.ndarray
    labels: np.ndarray
    sigma: np.ndarray | None = None
    marks: np.ndarray | None = None


def latents(panels: Sequence[Panel], path, *, title: str, caption: str = "", names: Sequence[str] = "0123456789",
            columns: int = 3, axes_names=("z₁", "z₂"), prior: bool = True) -> Path:
    """Several planes of codes side by side, each at its own scale.  prior: with N(0, 1) as a dashed circle at one σ."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    fig = figure(4.4 * columns + 0.9, 4.3 * rows + 0.7, title, caption)
    cells = fig.subplots(rows, columns, squeeze=False)
    for axes in cells.flat[len(panels):]:
        axes.axis("off")
    for axes, panel in zip(cells.flat, panels):
        if panel.sigma is None:
            scatter(axes, panel.codes, panel.labels, names)
        else:
            clouds(axes, panel.codes, panel.sigma, panel.labels, names)
        for i, place in enumerate(panel.marks if panel.marks is not None else (), start=1):
            axes.annotate(str(i), place, ha="center", va="center", fontsize=8, color="white",
                          bbox=dict(boxstyle="circle,pad=0.2", facecolor="black", edgecolor="white"))
        if prior:
            prior_circle(axes)
        axes.set_title(panel.heading, fontsize=10)
        axes.set_xlabel(axes_names[0]), axes.set_ylabel(axes_names[1])
    name_classes(fig, np.concatenate([panel.labels for panel in panels]), names)
    return write(fig, path)


def name_classes(fig, labels: np.ndarray, names: Sequence[str]) -> None:
    """The legend of all scatters, at the right of the figure."""
    from matplotlib.lines import Line2D
    dots = [Line2D([], [], marker="o", linestyle="", ms=5, color=COLOURS[i], label=names[i]) for i in np.unique(labels)]
    fig.legend(handles=dots, title="class", fontsize=8, title_fontsize=8, loc="outside right center")


def ellipses(mu: np.ndarray, sigma: np.ndarray, labels: np.ndarray, path, *, title: str, caption: str = "",
             names: Sequence[str] = "0123456789") -> Path:
    """The clouds N(μ, σ²) of some images: ellipses of one standard deviation, mu and sigma (N,2)."""
    fig = figure(7.2, 6.4, title, caption)
    axes = fig.subplots()
    clouds(axes, mu, sigma, labels, names)
    axes.set(xlabel="z₁", ylabel="z₂", aspect="equal")
    axes.legend(handles=[prior_circle(axes)], loc="upper right", fontsize=8)
    return write(fig, path)


def clouds(axes, mu: np.ndarray, sigma: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    from matplotlib.patches import Ellipse
    for m, s, i in zip(mu, sigma, labels):
        axes.add_patch(Ellipse(m, *(2 * s), facecolor=COLOURS[i], edgecolor=COLOURS[i], alpha=0.35))
        axes.text(*m, names[i][:3], fontsize=7, ha="center", va="center")
    axes.set(xlim=limits(mu[:, 0], sigma[:, 0]), ylim=limits(mu[:, 1], sigma[:, 1]))


def prior_circle(axes):
    from matplotlib.patches import Ellipse
    return axes.add_patch(Ellipse((0, 0), 2, 2, facecolor="none", edgecolor="black", linestyle="--", label="prior N(0, 1), one σ"))


def limits(centre: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    low, high = min(-1.0, (centre - 1.5 * spread).min()), max(1.0, (centre + 1.5 * spread).max())      # the prior too
    return float(low - 0.04 * (high - low)), float(high + 0.04 * (high - low))


class Grid(NamedTuple):
    """Decoded images (n·n,1,H,W) of a grid over the plane of codes, row 0 at the top, at places `across` and `up` (n,)."""
    heading: str
    pictures: np.ndarray
    across: np.ndarray
    up: np.ndarray


def grid_codes(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The codes (n·n,2) of such a grid, in reading order: the top row has the largest z₂."""
    return np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2)


def manifold(pictures: np.ndarray, ticks: np.ndarray, path, *, title: str, caption: str = "") -> Path:
    """One Grid, with the same places on both axes."""
    return manifolds([Grid("", pictures, ticks, ticks)], path, title=title, caption=caption)


def manifolds(grids: Sequence[Grid], path, *, title: str, caption: str = "") -> Path:
    """Grids of decoded images side by side."""
    fig = figure(8.0 * len(grids), 8.4, title, caption)
    for axes, grid in zip(np.atleast_1d(fig.subplots(1, len(grids))), grids):
        n, (H, W) = len(grid.across), grid.pictures.shape[-2:]
        show(axes, grid.pictures, n)
        shown = np.unique(np.linspace(0, n - 1, 7).round().astype(int))
        axes.set_xticks([(W + 1) * (i + 0.5) for i in shown], [f"{grid.across[i]:.1f}" for i in shown])
        axes.set_yticks([(H + 1) * (n - i - 0.5) for i in shown], [f"{grid.up[i]:.1f}" for i in shown])
        axes.set(xlabel="z₁", ylabel="z₂", title=grid.heading)
    return write(fig, path)


def curves(panels: dict[str, dict[str, Sequence[float]]], path, *, title: str, caption: str = "",
           xlabel: str = "epoch", first: int = 1) -> Path:
    """One panel per entry {its y label: {line name: values}}, all over the same x, counted from `first`."""
    fig = figure(4.3 * len(panels), 3.6, title, caption)
    for axes, (ylabel, lines) in zip(np.atleast_1d(fig.subplots(1, len(panels))), panels.items()):
        for (name, values), colour, mark in zip(lines.items(), COLOURS, "osd^v" * 2):
            axes.plot(range(first, first + len(values)), values, marker=mark, ms=4, color=colour, label=name)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=8), axes.grid(alpha=0.25)
    return write(fig, path)


def table(rows: Sequence[Sequence], headings: Sequence[str], path, *, title: str, caption: str = "") -> Path:
    """A table as a picture; thousands are separated, rows that end in "in all" are bold."""
    fig = figure(7.2, 0.28 * len(rows) + 1.3, title, caption)
    axes = fig.subplots()
    axes.axis("off")
    grid = axes.table([[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows], colLabels=headings, loc="center", cellLoc="left",
                      edges="horizontal")
    grid.auto_set_font_size(False)
    grid.set_fontsize(9)
    grid.auto_set_column_width(range(len(headings)))
    grid.scale(1, 1.25)
    for r, row in enumerate(rows, start=1):
        if str(row[0]).endswith("in all"):
            for c in range(len(headings)):
                grid[r, c].set_text_props(weight="bold")
    return write(fig, path)


def counts(n: np.ndarray, rows: Sequence[str], columns: Sequence[str], path, *, title: str, caption: str = "",
           ylabel: str = "", xlabel: str = "") -> Path:
    """A table of counts (rows, columns), each cell as dark as its share of the row, its number in it."""
    fig = figure(0.62 * n.shape[1] + 2.6, 0.36 * n.shape[0] + 1.6, title, caption)
    axes = fig.subplots()
    share = n / np.maximum(n.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (r, c), value in np.ndenumerate(n):
        axes.text(c, r, f"{value:,}", ha="center", va="center", fontsize=8, color="white" if share[r, c] > 0.55 else "black")
    axes.set_xticks(range(n.shape[1]), columns, fontsize=9)
    axes.set_yticks(range(n.shape[0]), rows, fontsize=9)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.tick_params(length=0)
    return write(fig, path)


def regions(answer: np.ndarray, edge: np.ndarray, points: np.ndarray, labels: np.ndarray, path, *, title: str,
            caption: str = "") -> Path:
    """The class answered at every place of a square grid (n,n) with coordinates `edge`, and labelled points (N,2)."""
    from matplotlib.colors import ListedColormap
    fig = figure(6.4, 6.0, title, caption)
    axes = fig.subplots()
    classes = int(max(answer.max(), labels.max())) + 1
    axes.pcolormesh(edge, edge, answer, cmap=ListedColormap(COLOURS[:classes]), vmin=-0.5, vmax=classes - 0.5, alpha=0.35)
    for i in range(classes):
        axes.scatter(*points[labels == i].T, s=14, color=COLOURS[i], edgecolors="black", linewidths=0.4, marker="os^vD"[i % 5],
                     label=f"class {i}")
    axes.legend(fontsize=8, loc="upper right")
    axes.set(xlabel="x₁", ylabel="x₂", aspect="equal")
    return write(fig, path)


def gallery(pictures: np.ndarray, titles: Sequence[str], path, *, title: str, caption: str = "", columns: int = 8) -> Path:
    """Images (N,1,H,W), each with a title of its own."""
    rows = -(-len(pictures) // columns)
    fig = figure(1.1 * columns, 1.3 * rows + 0.8, title, caption)
    for axes in fig.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, text in zip(fig.axes, pictures, titles):
        axes.imshow(1 - image[0], cmap="gray", vmin=0, vmax=1)
        axes.set_title(text, fontsize=7)
    return write(fig, path)


def filters(w: np.ndarray, path, *, title: str, caption: str = "", columns: int = 8) -> Path:
    """The first channel of filters (F,C,K,L): blue is negative, orange positive, white 0."""
    from matplotlib.colors import LinearSegmentedColormap
    rows, reach = -(-len(w) // columns), float(np.abs(w).max())
    fig = figure(0.9 * columns + 1.0, 0.9 * rows + 1.0, title, caption)
    cells = fig.subplots(rows, columns, squeeze=False)
    for axes in cells.flat:
        axes.axis("off")
    for axes, one in zip(cells.flat, w[:, 0]):
        mesh = axes.imshow(one, cmap=LinearSegmentedColormap.from_list("", ("#0072b2", "white", "#d55e00")), vmin=-reach, vmax=reach)
    fig.colorbar(mesh, ax=cells, shrink=0.8)
    return write(fig, path)


from .plot_conv import conv_geometry            # noqa: E402,F401  the pictures of these two build on what is above
from .plot_graph import graph                   # noqa: E402,F401
