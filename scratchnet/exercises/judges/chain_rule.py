"""Each derivative is a backward: the gradient checker multiplies it by a g that it draws."""
from ..exercise import wrong
from ..judging import gradients, regimes


def judge(answer, right):
    for name in ("wave", "bell", "curve", "squash"):
        slope = getattr(answer, "d" + name)
        gradients(getattr(right, name), lambda g, x: g * slope(x),
                  regimes(lambda rng, *shape: (rng.standard_normal(shape),),
                  (5, 4), (1, 7), (4, 4)), of=name)


HINTS = ("the diagnosis names the function; its inner value is what stands in the brackets: x², −x²/2, 1 + x⁴, −3x",
         "each slope is (slope of the outer function, at the inner value) × (slope of the inner value in x)",
         "inner slopes: 2x, −x, 4x³, −3; outer ones: cos, exp, 1/(2√·), and for 1/(1+e) it is e/(1+e)²: with y that "
         "is y·(1−y)")

BACKGROUND = """
For squash one can write the slope in terms of the result: y·(1 − y).  That is why sigmoid layers keep their output
and not their input, and why scratchnet's rule reads `y` (scratchnet/ops/elementwise.py).  Backpropagation multiplies
these factors from the outside to the inside, because there is one loss and there are many inputs.
"""

WRONG = (
    wrong("inner slope forgotten", "return 2 * x * np.cos(x ** 2)", "return np.cos(x ** 2)", "wave.x FACTOR",
          "wave.x SUBST"),
    wrong("outer function not differentiated", "2 * x * np.cos(x ** 2)", "2 * x * np.sin(x ** 2)", "wave.x COMPUTES",
          "wave.x FACTOR", "wave.x PRODUCT"),
    wrong("sign lost", "return -x * np.exp", "return x * np.exp", "bell.x RATIO:-1"),
    wrong("x² instead of x²/2 differentiated", "return -x * np.exp", "return -2 * x * np.exp", "bell.x RATIO:2"),
    wrong("the 2 of 2√ forgotten", "/ (2 * np.sqrt(1 + x ** 4))", "/ np.sqrt(1 + x ** 4)", "curve.x RATIO:2"),
    wrong("inner slope 3 forgotten", "return 3 * y * (1 - y)", "return y * (1 - y)", "squash.x RATIO:1/3"),
    wrong("(1 − y) forgotten", "return 3 * y * (1 - y)", "return 3 * y", "squash.x FACTOR:missing 1-y"),
    wrong("outer slope at x instead of x²", "2 * x * np.cos(x ** 2)", "2 * x * np.cos(x)", "wave.x FACTOR",
          "wave.x COMPUTES"),
)
