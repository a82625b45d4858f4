"""02 · An op of your own in five lines, and the check that tells whether its gradient is right.

    python examples/02_your_own_op.py

    swish(x) = x · sigmoid(x)        swish'(x) = s + x·s·(1 − s),  s = sigmoid(x)

A rule's first parameter is g = ∂L/∂y; the others name what it needs from the forward, and only that is kept.
Written with scratchnet's functions, a rule can itself be differentiated: order=2 checks that as well.
Expected last line:  the wrong rule was caught: x: x is used 2 times but its use in line 17 sends nothing back …
"""
import numpy as np

import scratchnet as sn


@sn.op
def swish(x): return x / (1 + np.exp(-x))                      # the forward gets arrays
@swish.vjp("x")
def swish_dx(g, x):
    s = sn.sigmoid(x)
    return g * (s + x * s * (1.0 - s))


x = np.random.default_rng(0).standard_normal((3, 4))
error = sn.check_grad(swish, x, order=2)
print(f"swish is right: backward and measured slopes differ by {error:.0e} at most, at both orders")

t = sn.Tensor([-1.0, 0.0, 2.0], requires_grad=True)            # used like every other op
swish(t).sum().backward()
print("swish'(-1, 0, 2) =", t.grad)


def forgets_a_term(g, x):                                      # a common slip: s alone, as for a product with a constant
    return g * sn.sigmoid(x)


with sn.replaced(swish, "x", forgets_a_term):
    try:
        sn.check_grad(swish, x)
    except sn.GradientError as e:
        print(f"the wrong rule was caught: {e.findings[0].target}: {e.findings[0].text}")
