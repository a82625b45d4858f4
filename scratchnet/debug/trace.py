"""The steps of one backward pass, in a list that fills as far as it is looked at.

It drives autograd.backward_steps, the pass that training uses, and computes nothing itself.
"""
from __future__ import annotations

import numpy as np

from ..autograd import Node, Step, backward_steps, nodes_on_paths, refuse_dead_ends, toposort, upstream
from ..tensor import Leaf, Tensor


class Trace:
    """A backward pass from y.  trace[i] runs it as far as step i; len(trace) is how long it will be.

    targets   None: a pass as Tensor.backward makes it, which adds into the .grad of every leaf.
              A list of nodes: only the rules on paths to them, and no .grad is touched (as sn.grad).
    The graph keeps what it saved until release().
    """

    def __init__(self, y: Tensor, g=None, targets=None):
        g = upstream(y, g, False)
        self.g, self.root, self.order = g, y._node, toposort(y._node)
        found = None if targets is None else dict.fromkeys(targets)
        paths = None if found is None else nodes_on_paths(self.order, found)
        refuse_dead_ends(self.order, paths)
        self.plan = [(node, edge) for node in self.order if paths is None or node in paths
                     for edge in node.edges if paths is None or edge.node in paths]
        self.uses = {}                          # node: how many shares its gradient is the sum of
        for _, edge in self.plan:
            self.uses[edge.node] = self.uses.get(edge.node, 0) + 1
        self.kept = {node: Node(node.op, node.edges, node.saved, node.line) for node in self.order if isinstance(node, Node)}
        self.before = {node: node.grad for node in self.order if isinstance(node, Leaf)}   # .grad when the pass began
        self.steps: list[Step] = []
        self.pass_ = backward_steps(y, g, retain_graph=True, found=found)

    def __len__(self):
        return len(self.plan)

    def __getitem__(self, i: int) -> Step:
        if not 0 <= i < len(self):
            raise IndexError(f"step {i} of {len(self)}")
        while len(self.steps) <= i:
            step = next(self.pass_)
            if self.uses[step.to] > 1:          # the walk will add into this array: keep how it is now
                step = step._replace(total=np.array(step.total))
            self.steps.append(step)
        return self.steps[i]

    def finish(self) -> list[Step]:
        """Run what is left, the last additions into .grad included."""
        if len(self):
            self[len(self) - 1]
        for _ in self.pass_:
            raise AssertionError("the pass has more steps than the graph has edges")
        return self.steps

    def release(self) -> None:
        """Let go of what the nodes saved, as backward() without retain_graph does."""
        for node in self.order:
            if isinstance(node, Node):
                node.saved = None

    def reads(self, step: Step) -> dict:
        """What the plain rule of a step reads besides g, by name; it stays readable after the graph is released."""
        rule = step.node.op.rule(step.name)
        values = step.node.op.restore(self.kept[step.node], rule.reads, False)
        return {**values, "position": step.position} if "position" in rule.reads else values

    def shares(self, node) -> list[Step]:
        """The steps that ended at `node`: its gradient is the sum of their `out`."""
        return [step for step in self.steps if step.to is node]
