"""How time and memory grow with the batch and with the image: a stack of convolutions as the VAE has it, as a chart."""
from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from . import nets
from .measure import Table, libraries, ms, pause, ratio
from .timing import alternate

BATCHES, SIZES = (16, 32, 64, 128, 256, 512, 1024), (28, 56, 84, 112)
BATCH = 32                                      # of the images that grow
MEMORY_BATCHES, MEMORY_SIZES = (16, 128, 1024), (28, 112)
STACK = [("conv", 1, 32, 3, 2, 1), ("relu",), ("conv", 32, 64, 3, 2, 1), ("relu",),
         ("transposed", 64, 64, 3, 2, 1, 1), ("relu",), ("transposed", 64, 32, 3, 2, 1, 1), ("relu",),
         ("transposed", 32, 1, 3, 1, 1, 0)]


def step(library: str, batch: int, size: int) -> nets.Step:
    """A training step of the stack on images of any size."""
    x = nets.images(batch, size)
    if library == "ours":
        import scratchnet as sn
        model, loss_of, context = nets.ours(STACK), sn.bce_with_logits, sn.layers.joined
        adam = sn.optim.Adam(model.parameters())
        parameters = nets.count(model)
    else:
        import torch
        from torch.nn import functional as F
        x = torch.from_numpy(x)
        model, loss_of, context = nets.theirs(STACK), F.binary_cross_entropy_with_logits, nullcontext
        adam = torch.optim.Adam(model.parameters())
        parameters = nets.torch_count(model)

    def run():
        with context():
            loss = loss_of(model(x), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()
    return nets.Step(run, parameters)


def growth(threads: int, rounds: int) -> Table:
    """Time per image, and peak memory, of a conv stack against batch size (28×28) and image size (batch 32)."""
    from .processes import peak_growth
    libs = ["ours", *libraries(threads, "PyTorch")]
    rows = []
    cases = [(batch, 28) for batch in BATCHES] + [(BATCH, size) for size in SIZES[1:]]
    for batch, size in cases:
        runs = {lib: step(lib, batch, size).run for lib in libs}
        turns = max(1, min(rounds, 7, 2048 * 28 * 28 // (batch * size * size)))
        seconds = alternate(runs, turns, warm=1, pause=pause(threads))
        remembered = batch in MEMORY_BATCHES and size == 28 or batch == BATCH and size in MEMORY_SIZES
        rows.append([str(batch), f"{size}×{size}"])
        for lib in libs:
            rows[-1] += [ms(seconds[lib] / batch * 1000).split(".")[0],
                         f"{peak_growth(lib, 'stack', threads, batch, size):.0f}" if remembered else ""]
        if len(libs) > 1:
            rows[-1].append(str(ratio(seconds, libs[1])))
        print("   ", " | ".join(rows[-1]), flush=True)
    headings = ["batch", "image", *(text for lib in libs for text in (f"{lib}, µs per image", f"{lib}, MB"))]
    return headings + ["ours / PyTorch, time"][:len(libs) - 1], rows


def chart(table: Table, path: Path, caption: str) -> Path:
    """Four panels: time and memory per image against the batch, and against the pixels of an image."""
    from scratchnet.plot import COLOURS, figure, write
    headings, rows = table
    fig = figure(9.0, 6.4, "A training step of a convolutional stack as it grows", caption)
    panels = fig.subplots(2, 2, sharex="col")
    for r, (unit, what) in enumerate((("µs per image", "time per image, µs"), ("MB", "peak memory, MB"))):
        for c, (x, xlabel) in enumerate(((0, "images in a batch (28×28)"), (1, f"image size (batch {BATCH})"))):
            axes = panels[r, c]
            kept = [row for row in rows if (row[1] == "28×28" if c == 0 else row[0] == str(BATCH))]
            for name, colour, mark in zip(("ours", "PyTorch"), COLOURS, "os"):
                if (heading := f"{name}, {unit}") in headings:
                    k = headings.index(heading)
                    points = [(int(row[x].split("×")[0]), float(row[k])) for row in kept if row[k]]
                    axes.plot(*np.array(points).T, marker=mark, ms=4, color=colour, label=name)
            axes.set(xlabel=xlabel if r else "", ylabel=what, ylim=(0, None))
            axes.set_xscale("log", base=2) if c == 0 else None
            ticks = BATCHES if c == 0 else SIZES
            axes.set_xticks(ticks, map(str, ticks))
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8)
    return write(fig, path)
