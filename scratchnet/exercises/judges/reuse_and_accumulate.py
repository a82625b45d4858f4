"""The order by what it must be; the gradients against sums over all ways, counted by hand; a long chain."""
from ..exercise import wrong
from ..judging import Slip, Finding, require, values


def square(V):    x = V(3.0); return x, x * x
def diamond(V):   x = V(2.0); h = x * x; return x, h * x + h
def late_use(V):  x = V(1.5); h = x * x; return x, x * (h * h + x)
def ladder(V):
    x = a = V(1.25)
    for _ in range(4):
        b = a * x
        a = b + b * a
    return x, a


GRAPHS = (("x·x", square, 6.0), ("h·x + h, h = x·x", diamond, 16.0),
          ("x·(h·h + x), h = x·x", late_use, 5 * 1.5 ** 4 + 3.0),
          ("a ladder of reused values", ladder, None))


def judge(answer, right):
    for text, build, _ in GRAPHS:
        _, root = build(answer.Value)
        check_order(answer.order(root), root, text)
    cases = [(text,) for text, _, _ in GRAPHS]
    values("grad", lambda text: grad(text, answer.Value, answer.backward),
           lambda text: grad(text, right.Value, right.backward), cases,
           ("PATHS lost", lambda text: grad(text, right.Value, lambda root: variant(root, right.order, "=")),
            "where a value is used several times, only the last use counts: '=' where '+=' is needed"),
           ("DY ones", lambda text: grad(text, right.Value, lambda root: variant(root, right.order, "ones")),
            "the gradient of the node itself is left out of the product: that is the slope of this one step, not of "
            "the root"),
           ("IDENTITY", lambda text: grad(text, right.Value, lambda root: variant(root, right.order, "no slope")),
            "the gradient is handed on unchanged: the slope of this step is missing"))
    x = y = answer.Value(1.0)
    for _ in range(100_000):
        y = y + x
    answer.backward(y)
    require(x.grad == 100_001, "grad", "PATHS",
            f"in a chain of 100,000 additions the gradient is {x.grad}, expected 100001")


def check_order(order, root, text):
    require(isinstance(order, (list, tuple)), "order", "TYPE",
            f"order returned a {type(order).__name__}, expected a list of Values")
    behind, stack = {}, [root]
    while stack:
        node = stack.pop()
        if id(node) not in behind:
            behind[id(node)] = node
            stack.extend(node.parents)
    place = {id(node): n for n, node in enumerate(order)}
    require(len(place) == len(order), "order", "PATHS",
            f"in {text}, order has a node twice: it would send its gradient on twice", "weights")
    require(set(place) == set(behind), "order", "DROPPED", f"in {text}, order has {len(place)} of {len(behind)} nodes")
    for node in behind.values():
        for parent in node.parents:
            if place[id(parent)] < place[id(node)]:
                raise Slip(Finding("order", "ORDER", "", f"in {text}, a node comes before one that uses it: "
                                   "its gradient is not complete when it is sent on"))


def grad(text, V, backward):
    x, y = next(build for name, build, _ in GRAPHS if name == text)(V)
    backward(y)
    return x.grad


def variant(root, order, slip):
    root.grad = 1.0
    for node in order(root):
        for parent, slope in zip(node.parents, node.slopes):
            share = slope if slip == "ones" else node.grad if slip == "no slope" else slope * node.grad
            parent.grad = share if slip == "=" else parent.grad + share


HINTS = ("`order` decides when a node's gradient is complete; `backward` decides what happens to shares that arrive "
         "one after another",
         "order: a dict of counts and two loops with a stack; backward: one line with the slope, the node's gradient, "
         "and +=",
         "in the second loop of `order`, a parent is ready when its count, lowered once per use that was visited, "
         "reaches 0")

BACKGROUND = """
This is scratchnet/autograd.py, without arrays: `toposort` there counts uses in the same way, for the same two
reasons. micrograd and many others use recursion, and stop at chains of a thousand steps: a recurrent network on one
sentence.
"""

WRONG = (
    wrong("= for +=", "parent.grad += slope * node.grad", "parent.grad = slope * node.grad", "grad PATHS:lost"),
    wrong("own gradient forgotten", "parent.grad += slope * node.grad", "parent.grad += slope", "grad DY:ones"),
    wrong("slope forgotten", "parent.grad += slope * node.grad", "parent.grad += node.grad", "grad IDENTITY"),
    wrong("first come, first served", "            if uses[parent] == 0:\n                stack.append(parent)",
          "            if parent not in done and parent not in stack:\n                stack.append(parent)",
          "order ORDER"),
    wrong("a node once per use", "            if uses[parent] == 0:\n                stack.append(parent)",
          "            stack.append(parent)", "order PATHS:weights"),
    wrong("recursion", """    uses, stack = {}, [root]
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
""", """    done, seen = [], set()
    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            done.append(node)
    visit(root)
    return done[::-1]
""", "* RECURSION"),
)
