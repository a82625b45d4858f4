"""sn.step(loss): the backward pass in a terminal, one rule at a time.

The pass is the one that training uses (trace.py drives autograd.backward_steps), so what is shown is what
is computed.  Steps that have run are kept: going back shows them again and changes nothing.
"""
from __future__ import annotations

import shutil
import sys
from typing import Iterable, Iterator

import numpy as np

from ..autograd import Step, no_grad
from ..tensor import Tensor
from .show import Paint, largest, shape, statistics, values
from .source import names, place, short
from .terms import Entry, entry_index, name_of
from .trace import Trace
from .view import head, indented, numbers, row

HELP = """
n, next            run the next rule (so does an empty line)       b, back       look at the rule before
j, jump 7          go to step 7                  jump relu, jump w   the next step of an op, or that ends at a parameter
r, run             to the end                    run relu, run w     up to it        run nan   to the first NaN or infinity
l, list            all steps; those that have run are marked *
v, values g        more of an array: g, out, total, or what the rule reads
w, why [0, 3]      one entry of out, term by term; without an index the largest.  open 2: behind term 2.  up: back again
replay x[0, 1] = 3        the rule once more with another number; also  replay g = np.ones_like(g)
h, help            q, quit   runs the rest unseen, so that the program goes on as after loss.backward()
"""


def step(loss: Tensor, g=None, *, retain_graph: bool = False, commands: Iterable[str] | None = None) -> None:
    """loss.backward(), watched: walk the backward pass rule by rule in a terminal.

    Each step shows  out = rule(g, …), a share of ∂L/∂x:  the source line of the forward call, the rule's source and
    formula, shapes, the gradient g that arrives, the local slopes ∂y/∂x, what leaves, and the sum so far.  `help`
    lists the commands.  When it returns, by `quit` or at the end of the input, every .grad holds what
    loss.backward(g) would have added, and the graph is released unless retain_graph=True.

    commands   instead of lines from standard input: ["next", "run w", "why"].  NO_COLOR turns colours off.
    Shapes     g as loss; it may be left out for a single number.
    Errors     as loss.backward().  An error inside a rule is shown at its step, and raised when you quit.
    Source     docs/notation.md for the letters.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"step: loss is a {type(loss).__name__}, expected a Tensor")
    trace = Trace(loss, g)
    session = Session(trace, names(trace.order, sys._getframe(1)), Paint(sys.stdout))
    session.talk(typed() if commands is None else commands)
    if session.error:
        raise session.error
    trace.finish()
    if not retain_graph:
        trace.release()


def typed() -> Iterator[str]:
    """Lines from standard input, until it ends."""
    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return


class UserError(Exception):
    """What was typed cannot be done; the message says why."""


class Session:
    """Where the reader is in the pass, and one method do_… for each command."""
    COMMANDS = ("next", "back", "jump", "run", "list", "values", "why", "open", "up", "replay", "help")

    def __init__(self, trace: Trace, called: dict, paint: Paint):
        self.trace, self.called, self.paint = trace, called, paint
        self.at, self.error, self.opened = 0, None, []         # opened: the entries that `why` and `open` went through

    def talk(self, lines: Iterable[str]) -> None:
        if not len(self.trace):
            print("this tensor is a leaf: its gradient is g itself, and no rule runs")
            return
        print(self.paint.bold(f"{len(self.trace)} rules, from the loss back to the leaves"),
              self.paint.dim("   next, back, jump, run, list, values, why, replay, help, quit"))
        self.go(0)
        for line in lines:
            word, _, rest = (line.strip() or "next").partition(" ")
            if "quit".startswith(word):
                return
            try:
                command = next((name for name in self.COMMANDS if name.startswith(word)), None)
                if command is None:
                    raise UserError(f"{word!r} is not a command; help lists them")
                getattr(self, f"do_{command}")(rest.strip())
            except UserError as e:
                print(self.paint.red(str(e)))

    # ---- moving -----------------------------------------------------------------------------------

    def do_next(self, rest: str) -> None:
        if self.at + 1 == len(self.trace):
            raise UserError("this was the last rule; quit, and every .grad is complete")
        self.go(self.at + 1)

    def do_back(self, rest: str) -> None:
        if self.at == 0:
            raise UserError("this is the first rule")
        self.go(self.at - 1)

    def do_jump(self, rest: str) -> None:
        n = len(self.trace)
        if not rest.isdigit():
            self.go(self.find(rest, [(self.at + 1 + k) % n for k in range(n)]))
        elif 1 <= int(rest) <= n:
            self.go(int(rest) - 1)
        else:
            raise UserError(f"step {rest}: there are steps 1 to {n}")

    def do_run(self, rest: str) -> None:
        ahead = range(self.at + 1, len(self.trace))
        if rest == "nan":
            self.go(next((i for i in ahead if not np.isfinite(self.run_to(i).out).all()), len(self.trace) - 1))
        else:
            self.go(self.find(rest, ahead) if rest else len(self.trace) - 1)

    def find(self, name: str, order: Iterable[int]) -> int:
        """The first step in this order of an op, or that ends at a value, of that name (or its last parts: mu.w)."""
        for i in order:
            node, edge = self.trace.plan[i]
            if name == node.op.name or f".{self.called.get(edge.node)}".endswith(f".{name}"):
                return i
        ops = sorted({node.op.name for node, _ in self.trace.plan})
        called = sorted({self.called.get(edge.node, " ") for _, edge in self.trace.plan})
        raise UserError(f"no step ahead for {name!r}; there are the ops {', '.join(ops)} and the values "
                        f"{', '.join(c for c in called if ' ' not in c)}")

    def run_to(self, i: int) -> Step:
        try:
            return self.trace[i]
        except Exception as e:                  # a rule of the learner's: show it here, raise it when they leave
            self.error = self.error or e
            raise UserError(f"the rule failed: {type(self.error).__name__}: {self.error}") from None

    def go(self, i: int) -> None:
        self.opened, failed = [], None
        try:
            self.run_to(i)
        except UserError as e:
            i, failed = len(self.trace.steps), e
        self.at = i
        print("\n".join(head(self.trace, i, self.called, self.paint)))
        print(self.paint.red(str(failed)) if failed else
              "\n".join(numbers(self.trace, i, self.called, self.paint, max(40, shutil.get_terminal_size().columns - 12))))

    # ---- looking ----------------------------------------------------------------------------------

    def do_list(self, rest: str) -> None:
        for i, (node, edge) in enumerate(self.trace.plan):
            mark, where = ">" if i == self.at else "*" if i < len(self.trace.steps) else " ", place(node)
            what = f"{node.op.name}: ∂L/∂{edge.name}"
            print(f"{mark}{i + 1:4}  {what:<28} {name_of(self.called, edge.node):<28} {short(where.file)}:{where.line}")

    def do_help(self, rest: str) -> None:
        print(HELP.strip())

    def readable(self) -> dict:
        """The values of this step by name."""
        s = self.run_to(self.at)
        return {**self.trace.reads(s), "g": s.g, "out": s.out, "total": s.total}

    def do_values(self, rest: str) -> None:
        known = self.readable()
        if rest not in known:
            raise UserError(f"values of what?  There are {', '.join(known)}")
        value = np.asarray(known[rest])
        print(np.array2string(value, threshold=400, edgeitems=4 if value.ndim < 3 else 2, precision=5,
                              max_line_width=max(40, shutil.get_terminal_size().columns - 2)))

    def do_why(self, rest: str) -> None:
        s = self.run_to(self.at)
        try:
            given = tuple(int(part) for part in rest.strip("[]() ").split(",") if part.strip())
            index = entry_index(given, s.out.shape) if rest else largest(s.out)
        except ValueError as e:
            raise UserError(str(e).replace("explain", "why")) from None
        self.opened = [Entry(self.trace, self.called, s.to, index, [s])]
        print(self.opened[-1])

    def do_open(self, rest: str) -> None:
        if not self.opened:
            raise UserError("first  why,  then  open K  with the number of one of its terms")
        entry = self.opened[-1]
        if not rest.isdigit() or int(rest) >= len(entry):
            raise UserError(f"open which?  The terms are numbered 0 to {len(entry) - 1}" if len(entry) else
                            "nothing is behind this")
        self.opened.append(entry.open(int(rest)))
        print(self.opened[-1])

    def do_up(self, rest: str) -> None:
        if len(self.opened) < 2:
            raise UserError("nothing has been opened")
        self.opened.pop()
        print(self.opened[-1])

    def do_replay(self, rest: str) -> None:
        """Run the rule of this step once more on edited copies; the pass itself is not changed."""
        s, known = self.run_to(self.at), self.readable()
        rule = s.node.op.rule(s.name)
        target, equals, value = rest.partition("=")
        name = target.partition("[")[0].strip()
        if not equals or name not in {"g", *rule.reads}:
            raise UserError(f"replay NAME = VALUE, or NAME[INDEX] = VALUE; this rule reads {', '.join(('g', *rule.reads))}")
        edited = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in known.items()}
        try:
            exec(f"{target} = {value}", {"np": np}, edited)    # what a learner types at their own terminal
            if isinstance(known[name], np.ndarray):
                edited[name] = np.broadcast_to(np.asarray(edited[name], known[name].dtype), known[name].shape)
            with no_grad():
                out = np.asarray(rule.function(edited["g"], **{k: edited[k] for k in rule.reads}))
        except Exception as e:
            raise UserError(f"{type(e).__name__}: {e}") from None
        print(row("replayed", f"∂L/∂{s.name}   {shape(out)}   {statistics(out)}"), *indented(values(out)), sep="\n")
        if out.shape == s.out.shape:
            changed = np.count_nonzero(out != s.out)
            print(row("changed", f"{changed} of {out.size} entries, by"), *indented(values(out - s.out)), sep="\n")
