"""One step as text: where it was written, by which rule, from which numbers to which."""
from __future__ import annotations

import numpy as np

from ..tensor import Leaf
from .show import Paint, largest, number, shape, statistics, values
from .source import formula, place, rule_source, short
from .terms import factors, name_of, written
from .trace import Trace


def head(trace: Trace, i: int, called: dict, paint: Paint) -> list[str]:
    """What does not depend on numbers: the forward line, the formula, the rule."""
    node, edge = trace.plan[i]
    where, source = place(node), rule_source(node.op.rule(edge.name).function)
    to = name_of(called, edge.node)
    title = f"step {i + 1} of {len(trace)}   {node.op.name}: ∂L/∂{edge.name}" + (f" = ∂L/∂({to})" if to != edge.name else "")
    at = f"{short(where.file)}:{where.line}" + ("" if where.text else ", which cannot be read")
    marked = where.text[:where.start] + paint.cyan(where.text[where.start:where.end]) + where.text[where.end:]
    lines = ["", paint.bold(title), row("forward", paint.dim(at)), *indented(marked.splitlines())]
    if not paint.on and "\n" not in where.text and 0 < where.end - where.start < len(where.text):
        lines += indented([" " * where.start + "^" * (where.end - where.start)])
    lines += [row("" if k else "formula", part) for k, part in enumerate(formula(node.op).splitlines()) if part.strip()]
    rule = [paint.green(line) for line in source.text.splitlines()]
    return [*lines, row("rule", paint.dim(f"{short(source.file)}:{source.line}")), *indented(rule)]


def numbers(trace: Trace, i: int, called: dict, paint: Paint, width: int) -> list[str]:
    """g, what the rule read, the local slopes, what it returned, and the sum that this goes into."""
    s = trace[i]
    rule = s.node.op.rule(s.name)
    lines = []
    if s.rule is not rule.function:
        lines.append(row("", paint.dim(f"ran as {s.rule.__name__}: the gradients for all inputs together")))
    lines += [row("upstream", f"g = ∂L/∂y   {shape(s.g)}   {statistics(s.g)}"), *indented(values(s.g, width))]
    for name, value in trace.reads(s).items():
        text = f"{shape(value)}   {statistics(value)}" if isinstance(value, np.ndarray) else f"{value!r:.80}"
        lines.append(row("reads", f"{name} = {text}"))
    lines += local(trace, s, paint, width)
    lines.append(row("outgoing", f"∂L/∂{s.name}   {shape(s.out)}   {statistics(s.out)}"))
    return lines + indented(values(s.out, width)) + running(trace, i, called)


def local(trace: Trace, s, paint: Paint, width: int) -> list[str]:
    """The slopes of y in the entry of the input that received most: out there is Σ g · these."""
    if not s.out.size:
        return []
    index = largest(s.out)
    try:
        c = factors(s, trace.reads(s), index)
    except Exception as e:                      # the learner's rule can fail in new ways when looked at closely
        return [row("local", paint.red(f"{type(e).__name__}: {e}"))]
    what = f"∂y/∂{s.name}{written(index)}"
    total = float(np.sum(np.multiply(s.g, c, dtype=np.float64)))
    return [row("local", f"{what}   {shape(c)}" + (f"   {np.count_nonzero(c)} of {c.size} are not 0" if c.size > 1 else "")),
            *indented(values(c, width)),
            row("", f"Σ g · {what} = {number(total)} = ∂L/∂{s.name}{written(index)}")]


def running(trace: Trace, i: int, called: dict) -> list[str]:
    """The sum of what has arrived at the same input so far; a leaf's goes into its .grad."""
    s, lines = trace[i], []
    uses, name = trace.uses[s.to], name_of(called, s.to)
    arrived = sum(1 for one in trace.steps[:i + 1] if one.to is s.to)
    if uses > 1:
        lines.append(row("sum", f"∂L/∂({name}) so far, {arrived} of {uses} uses   {statistics(s.total)}"))
        lines += indented(values(s.total))
    if isinstance(s.to, Leaf):
        before = trace.before[s.to]
        held = "was None" if before is None else f"held norm {np.linalg.norm(before):.4g}"
        now = "and now receives this sum" if arrived == uses else "receives it when all are here"
        lines.append(row(".grad", f"{name}.grad {held}, {now}"))
    return lines


def row(label: str, text: str) -> str:
    return f"  {label:<9} {text}".rstrip()


def indented(lines: list[str]) -> list[str]:
    return ["            " + line for line in lines]
