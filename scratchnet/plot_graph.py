"""A picture of a graph by matplotlib alone: computation from top to bottom, one box per op, the loss at the end.

A network of hundreds of ops is folded until it can be read: first parameters go into the box that uses them,
then ops are joined that belong to one call, to one line, to one chain, and last to one function.  Joining two
boxes must not close a circle, so a fold never hides that something was used twice.  See plot.py.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .autograd import toposort
from .debug.layout import layout
from .debug.source import names, place, short
from .plot import COLOURS, figure, write
from .tensor import Leaf, Tensor

FAMILIES = {"conv": COLOURS[0], "matmul": COLOURS[1], "loss": COLOURS[2], "elementwise": COLOURS[3], "reduce": COLOURS[4],
            "shape": COLOURS[7], "pool": COLOURS[9], "normalize": COLOURS[5]}
WIDTH, HEIGHT, ACROSS, DOWN = 3.1, 0.42, 3.5, 0.66             # of a box, and from one to the next, in inches


class Box(NamedTuple):
    """What one box says: its ops in the order they ran, what they made, and the parameters they used."""
    text: str
    detail: str
    family: str


def graph(loss: Tensor, path, *, title: str = "The graph", caption: str = "", most: int = 40) -> Path:
    """Draw the graph behind `loss`, folded to about `most` boxes: each op with its name and shape, the loss at the bottom.

    Shapes   any loss; each box shows the shape of what it makes, and those of its parameters.
    Errors   TypeError: not a Tensor.  ValueError: nothing was computed from a Tensor with requires_grad=True.
    Source   layered drawing: Sugiyama, Tagawa & Toda 1981, "Methods for visual understanding of hierarchical systems".
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"graph: loss is a {type(loss).__name__}, expected a Tensor")
    if loss._node is None or isinstance(loss._node, Leaf):
        raise ValueError("graph: there is no graph behind this tensor: nothing was computed from a Tensor with "
                         "requires_grad=True")
    order = toposort(loss._node)
    called = names(order, sys._getframe(1))
    groups = fold(order, most)
    edges = {g: [] for g in groups}
    for node, group in ((n, g) for g, members in groups.items() for n in members):
        for edge in node.edges:
            source = next((h for h in (edge.node, owner(groups, edge.node)) if h in groups), None)
            if source is not None and source is not group and source not in edges[group]:
                edges[group].append(source)
    at = layout(sorted(groups, key=first_use(order, groups)), edges, lambda g: isinstance(g, Leaf))
    shapes = {loss._node: loss.shape, **{edge.node: edge.shape for node in order for edge in node.edges}}
    whole = any(isinstance(n, Leaf) for n in groups)
    boxes = {g: describe(members, called, shapes, whole) for g, members in groups.items()}
    return draw(at, edges, boxes, path, title, caption or f"{len(order)} nodes in {len(groups)} boxes")


# ---- folding ----------------------------------------------------------------------------------------

def fold(order: list, most: int) -> dict:
    """{the last node of a group: its nodes, in the order of `order`}: level by level, until there are at most `most`."""
    ops = [node for node in order if not isinstance(node, Leaf)]
    if len(order) <= most // 2:
        return {node: [node] for node in order}                # a small graph shows its leaves as boxes of their own
    users = {node: [] for node in order}
    for node in ops:
        for edge in node.edges:
            users[edge.node].append(node)
    of = {node: node for node in ops}                          # node -> its group
    levels = (lambda u, v: u.line == v.line, lambda u, v: u.line[:2] == v.line[:2],
              lambda u, v: len(users[u]) == 1 and len([e for e in v.edges if e.node in of]) == 1,
              lambda u, v: u.line[0] is v.line[0])
    for alike in levels:
        if len(set(of.values())) <= most:
            break
        for v in ops:
            for edge in v.edges:
                u = edge.node
                if u in of and of[u] is not of[v] and alike(u, v) and not detour(of, ops, of[u], of[v]):
                    old, new = of[u], of[v]
                    of.update({n: new for n in ops if of[n] is old})
    groups: dict = {}
    for node in ops:
        groups.setdefault(of[node], []).append(node)
    return groups


def detour(of: dict, ops: list, u, v) -> bool:
    """Whether a way from group u to group v leads through a third one: joining them would close a circle."""
    sources: dict = {}
    for node in ops:
        read = {of[e.node] for e in node.edges if e.node in of}
        sources.setdefault(of[node], set()).update(read - {of[node]})
    stack, seen = [s for s in sources[v] if s is not u], set()
    while stack:
        group = stack.pop()
        if group is u:
            return True
        if group not in seen:
            seen.add(group)
            stack += sources[group]
    return False


def owner(groups: dict, node):
    return next((g for g, members in groups.items() if node in members), None)


def first_use(order: list, groups: dict):
    """Sort key: users before what they use, also between groups."""
    index = {node: k for k, node in enumerate(order)}
    return lambda group: min(index[node] for node in groups[group])


# ---- words and lines --------------------------------------------------------------------------------

def describe(members: list, called: dict, shapes: dict, whole: bool) -> Box:
    """whole: the graph shows its leaves as boxes, so this one need not list them."""
    last, parts = members[0], [str(shapes[members[0]])]
    if isinstance(last, Leaf):
        return Box(called.get(last, "leaf"), parts[0], "leaf")
    used = {edge.node: called.get(edge.node, "leaf").rpartition(".")[2] for node in members for edge in node.edges
            if isinstance(edge.node, Leaf) and not whole}
    if len(used) > 3:
        parts.append(f"{len(used)} parameters, {sum(int(np.prod(shapes[n])) for n in used):,} numbers")
    elif used:
        parts.append(", ".join(f"{clipped(name, 12)} {shapes[n]}" for n, name in used.items()))
    else:
        where = place(last)
        parts.append(f"{short(where.file)}:{where.line}")
    name = called.get(last, "") if len(members) < 3 else ""
    family = last.op.__module__.rpartition(".")[2] if len({n.op.__module__ for n in members}) == 1 else "several"
    ran = repeated([node.op.name for node in reversed(members)])
    return Box(ran + (f"   {clipped(name, 24)}" if name else ""), "   ".join(parts), family)


def repeated(ops: list[str]) -> str:
    """120 × (product → tanh); long lists that repeat nothing are cut in the middle."""
    for period in range(1, min(7, len(ops) // 2 + 1)):
        n = len(ops) // period
        if n > 1 and ops == ops[:period] * n:
            return f"{n} × " + (ops[0] if period == 1 else f"({' → '.join(ops[:period])})")
    return " → ".join(ops if len(ops) <= 4 else [*ops[:2], f"… {len(ops) - 3} more …", ops[-1]])


def clipped(text: str, n: int) -> str:
    return text if len(text) <= n else "…" + text[1 - n:]


def draw(at: dict, edges: dict, boxes: dict, path, title: str, caption: str) -> Path:
    from matplotlib.patches import FancyBboxPatch, Patch, PathPatch
    from matplotlib.path import Path as Curve
    columns, rows = max(r for _, r in at.values()) + 1, max(c for c, _ in at.values()) + 1
    fig = figure(max(6.0, columns * ACROSS + 0.6), rows * DOWN + 1.4, title, caption)
    axes = fig.subplots()
    axes.axis("off")
    axes.set(xlim=(-0.2, columns * ACROSS), ylim=(-rows * DOWN - 0.5, 0.3), aspect="equal")
    centre = {g: (row * ACROSS + WIDTH / 2, -column * DOWN) for g, (column, row) in at.items()}
    for g, sources in edges.items():
        for source in sources:
            (x1, y1), (x2, y2) = centre[source], centre[g]
            if x1 == x2 and y1 - y2 > 1.5 * DOWN:              # beside the boxes between them
                x = x1 + WIDTH / 2
                line, mark = [(x, y1), (x + 0.5, y1 - 0.1), (x + 0.5, y2 + 0.1), (x + 0.05, y2)], "<"
            else:
                y1, y2 = y1 - HEIGHT / 2, y2 + HEIGHT / 2
                line, mark = [(x1, y1), (x1, y1 - 0.2), (x2, y2 + 0.2), (x2, y2 + 0.02)], "v"
            curve = Curve(line, [Curve.MOVETO] + 3 * [Curve.CURVE4])
            axes.add_patch(PathPatch(curve, facecolor="none", edgecolor="0.45", lw=1, zorder=1))
            axes.plot(*line[-1], marker=mark, ms=4, color="0.45", zorder=3)
    for g, box in boxes.items():
        (x, y), colour = centre[g], FAMILIES.get(box.family, "white")
        corner = f"round,pad=0,rounding_size={0.2 if box.family == 'leaf' else 0.05}"
        axes.add_patch(FancyBboxPatch((x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle=corner, facecolor=tint(colour),
                                      edgecolor="0.3", lw=0.8, zorder=2))
        axes.text(x, y + (0.09 if box.detail else 0), clipped(box.text, 46), ha="center", va="center", fontsize=8, zorder=3)
        axes.text(x, y - 0.1, clipped(box.detail, 52), ha="center", va="center", fontsize=6.5, color="0.3", zorder=3)
    shown = [family for family in FAMILIES if any(box.family == family for box in boxes.values())]
    if shown:
        patches = [Patch(facecolor=tint(FAMILIES[f]), edgecolor="0.3", label=f"ops/{f}.py") for f in shown]
        axes.legend(handles=patches, loc="lower left", fontsize=7, ncols=min(len(shown), 4), frameon=False)
    return write(fig, path)


def tint(colour: str) -> tuple:
    from matplotlib.colors import to_rgb
    return tuple(0.65 + 0.35 * c for c in to_rgb(colour))
