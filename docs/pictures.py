"""Pictures for the examples that write none themselves, into images/.

    python docs/pictures.py            01, 02 and 15

Those of the other examples are what the script of that number writes; each says below itself on which data it was trained.
16 is its page in a browser.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import scratchnet as sn
from scratchnet import plot

DOCS = Path(__file__).resolve().parent


def two_layer_net(path: Path) -> None:
    """What autograd records of the network that 01 differentiates by hand."""
    rng, (N, D, H, M) = np.random.default_rng(0), (64, 3, 16, 2)
    x, t = rng.standard_normal((N, D)), rng.standard_normal((N, M))
    w1, b1, w2, b2 = (sn.Tensor(rng.standard_normal(s), requires_grad=True) for s in ((D, H), (H,), (H, M), (M,)))
    h = x @ w1 + b1
    a = sn.relu(h)
    p = a @ w2 + b2
    loss = ((p - t) ** 2).sum() / N
    plot.graph(loss, path, title="What autograd records of a two-layer network",
               caption=f"N = {N} examples, D = {D} inputs, H = {H} hidden units, M = {M} outputs; backward goes from the bottom up")


def your_own_op(path: Path) -> None:
    """swish, its slope, and what the wrong rule of 02 says its slope is."""
    x = np.linspace(-5, 5, 201)
    s = 1 / (1 + np.exp(-x))
    fig = plot.figure(7.2, 4.2, "swish(x) = x · sigmoid(x), and its slope by two rules", "the check measures the slope, and refuses the second")
    axes = fig.subplots()
    for y, words, style in ((x * s, "swish", "k-"), (s + x * s * (1 - s), "slope by the right rule, s + x·s·(1 − s)", "C0-"),
                            (s, "by the rule that forgets a term, s", "C1--")):
        axes.plot(x, y, style, label=words)
    axes.set(xlabel="x", ylim=(-0.6, 3))
    axes.legend()
    plot.write(fig, path)


def step_through(path: Path) -> None:
    """What 15 prints of one rule."""
    script = DOCS.parent / "examples/15_step_through.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=DOCS.parent).stdout
    step = next(part for part in printed.split("\n\n") if "∂L/∂(h)" in part)
    lines = ["> run h", ""] + [line[:92] for line in step.splitlines()]
    fig = plot.figure(8, 0.175 * len(lines) + 0.7, "One rule of the backward pass, in the terminal", "printed by examples/15_step_through.py")
    axes = fig.subplots()
    axes.axis("off")
    axes.text(0.0, 1.0, "\n".join(lines), family="monospace", fontsize=8.5, va="top", linespacing=1.35)
    plot.write(fig, path)


if __name__ == "__main__":
    for name, draw in (("01_two_layer_net", two_layer_net), ("02_your_own_op", your_own_op), ("15_step_through", step_through)):
        draw(DOCS / "images" / f"{name}.png")
        print(f"wrote docs/images/{name}.png")
