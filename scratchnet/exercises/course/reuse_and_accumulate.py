"""Backpropagation through a graph

A value that is used twice reaches the loss on two ways, and the chain rule adds them up.  So a node may
send its gradient on only when it is complete: when everything that used the node has had its turn.

Formula
    ∂L/∂x = Σ over the uses y of x:  ∂L/∂y · ∂y/∂x
    x·x:  ∂/∂x = x + x = 2x                 both factors are x: two ways, each with the slope x

Shapes
    Every Value holds one float.  Graphs may be chains of 100,000 steps: Python allows about 1,000 calls
    inside each other, so no recursion.

Example
    >>> x = Value(3.0)
    >>> h = x * x
    >>> y = h + h * x                       # x² + x³, with the slope 2x + 3x² = 6 + 27
    >>> backward(y)
    >>> x.grad
    33.0
    >>> order(y)[0] is y, order(y)[-1] is x
    (True, True)

To do
    `order`: first count how often each node is used; then start with the root, and whenever all uses of
    a node were visited, it is ready.  `backward`: the line that hands a share of the gradient to a parent.
"""


class Value:
    """A number, the numbers it was made of, and its slope in each of them."""

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.parents, self.slopes, self.grad = data, parents, slopes, 0.0

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))


def order(root):
    """Every Value behind root (root included), each after all that use it."""
    # >>> count the uses of every node, then visit each node after its last use
    uses, stack = {}, [root]
    while stack:
        node = stack.pop()
        uses[node] = uses.get(node, 0) + 1
        if uses[node] == 1:
            stack.extend(node.parents)
    done, stack = [], [root]
    while stack:
        node = stack.pop()
        done.append(node)
        for parent in node.parents:
            uses[parent] -= 1
            if uses[parent] == 0:
                stack.append(parent)
    return done
    # <<<


def backward(root):
    """Fill in .grad = ∂root/∂node of every node behind root."""
    root.grad = 1.0
    for node in order(root):
        for parent, slope in zip(node.parents, node.slopes):
            # >>> the share of the gradient that this use sends to the parent
            parent.grad += slope * node.grad
            # <<<
