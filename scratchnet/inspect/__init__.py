"""sn.inspect: a backward pass as a page to click through, in one HTML file that needs nothing else.

    record.py        the pass as data            structure.py   which entries of g make an entry of a result
    verdict.py       is each rule right?         shares.py      which term of the loss a gradient comes from
    page.html page.css terms.js tensor.js page.js   the page
"""
from __future__ import annotations

import html
import json
import os
import sys
from pathlib import Path

from tqdm import tqdm

from ..autograd import toposort
from ..debug.source import names
from ..debug.trace import Trace
from ..kernel import use_kernels
from ..tensor import Leaf, Tensor
from .record import BLOCKS, record

HERE, BUDGET = Path(__file__).parent, 4_400_000                # BUDGET: characters of arrays on a page


def inspect(loss: Tensor, path, g=None) -> Path:
    """Write the backward pass from `loss` as one HTML file: open it in a browser, from disk, without a network.

    For each rule: the line of the forward call, the rule's source, formula, shapes, heat maps of what arrives, of the
    local slopes, of what is read and what leaves, and whether the rule agrees with measured slopes.  Point at an entry
    of `out` and the entries that made it light up, with the sum  out[i] = Σ g[j] · ∂y[j]/∂x[i]  written out.  The page
    opens at the first rule that fails its check; arrow keys walk on.

    The pass is run anew, no .grad is read or written, and the graph stays: call backward() afterwards as usual.
    Shapes   loss a single number, or g = ∂L/∂loss of its shape.
    Errors   as loss.backward(): a graph that was released, or nothing to differentiate.
    Source   the chain rule; on pages that answer to pointing: Victor 2011, "Explorable Explanations".
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"inspect: loss is a {type(loss).__name__}, expected a Tensor: sn.inspect(loss, \"page.html\")")
    if loss._node is not None and isinstance(loss._node, Leaf):
        raise ValueError("inspect: this tensor is a leaf: nothing was computed, so there is nothing to see")
    leaves = [] if loss._node is None else [node for node in toposort(loss._node) if isinstance(node, Leaf)]
    trace = Trace(loss, g, targets=leaves)
    trace.finish()
    called = names(trace.order, sys._getframe(1))
    with use_kernels("numpy"):                  # a few calls in float64: not worth compiling loops for; the pass itself is over
        page, arrays = record(trace, called, lambda steps: tqdm(steps, desc="inspect", unit=" rules", delay=2, leave=False))
    for limit in BLOCKS:
        page["arrays"] = arrays.written(limit)
        if sum(len(a["data"]) for a in page["arrays"]) <= BUDGET:
            break
    title = f"Backward from {page['loss']}" + (f" = {loss.item():.6g}" if loss.size == 1 else f" {loss.shape}")
    return write(Path(path), assemble(title, page))


def assemble(title: str, page: dict) -> str:
    """The files of the page and its data in one."""
    parts = {"title": html.escape(title), "style": (HERE / "page.css").read_text(encoding="utf-8"),
             "script": "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("terms", "tensor", "page")),
             "data": json.dumps(finite(page), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")}
    text = (HERE / "page.html").read_text(encoding="utf-8")
    before, *rest = text.split("{{")
    return before + "".join(parts[piece.partition("}}")[0]] + piece.partition("}}")[2] for piece in rest)


def finite(value):
    """JSON has no NaN: null instead, which the page shows as "?"."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def write(path: Path, text: str) -> Path:
    """Under a temporary name first: a reader never sees half a page."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
