"""Both functions by value; then the order of the learner's own slope, measured by their own `order`."""
import math

from ..exercise import wrong
from ..judging import require, values

CASES = [(math.sin, 0.7, 0.1), (math.exp, -0.4, 0.05), (lambda x: x ** 3, 2.0, 0.1), (lambda x: 1 / x, 0.5, 0.02)]


def judge(answer, right):
    values("slope", answer.slope, right.slope, CASES,
           ("ONE_SIDED forward", lambda f, x, h: (f(x + h) - f(x)) / h,
            "this is (f(x+h) − f(x)) / h, which looks to one side: its error is of order h, not h²"),
           ("ONE_SIDED backward", lambda f, x, h: (f(x) - f(x - h)) / h,
            "this is (f(x) − f(x−h)) / h, which looks to one side: its error is of order h, not h²"),
           ("VALUE precedence", lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h,
            "this multiplies by h: a / 2 * h means (a / 2) · h, so 2 * h needs brackets"))
    values("order", answer.order, right.order,
           [(0.01, 0.1, 0.0001, 0.01), (3e-4, 0.2, 1e-4, 0.1), (0.5, 1.0, 0.25, 0.5)],
           ("VALUE no logarithm", lambda e1, h1, e2, h2: (e1 / e2) / (h1 / h2),
            "this divides the ratios themselves; the order is the ratio of their logarithms"),
           ("VALUE no logarithm", lambda e1, h1, e2, h2: (e1 - e2) / (h1 - h2),
            "this is the slope on plain paper; on log-log paper, logarithms are subtracted: log e₁ − log e₂ = "
            "log(e₁/e₂)"),
           ("RATIO 1/p", lambda e1, h1, e2, h2: math.log(h1 / h2) / math.log(e1 / e2),
            "this is 1/p: the errors belong above the line"))
    errors = [abs(answer.slope(math.sin, 1.0, h) - math.cos(1.0)) for h in (1e-2, 1e-3)]
    p = answer.order(errors[0], 1e-2, errors[1], 1e-3)
    require(abs(p - 2) < 0.1, "slope", "ONE_SIDED", f"the error of your slope has order {p:.2f}, expected 2")


HINTS = ("both functions are one line; `slope` calls f twice, and neither call is f(x)",
         "slope: the difference of two values of f over the distance between their places; order: a ratio of two "
         "logarithms",
         "the two places are x + h and x − h, so the distance between them is 2h (write it in brackets)")

BACKGROUND = """
Why not take h = 1e-12?  Because f(x+h) and f(x−h) then agree in nearly all their 16 digits, and the subtraction
leaves only noise of about 1e-16/h.  Truncation h² and round-off 1e-16/h meet near h = 1e-5, at 11 digits.
scratchnet's checker combines two steps, (4·D(h/2) − D(h)) / 3, which cancels the h² term as well
(scratchnet/check/numeric.py); where f accepts complex numbers, Im f(x+ih)/h subtracts nothing at all.
"""

WRONG = (
    wrong("one-sided", "(f(x + h) - f(x - h)) / (2 * h)", "(f(x + h) - f(x)) / h", "slope ONE_SIDED:forward"),
    wrong("one-sided, to the left", "(f(x + h) - f(x - h)) / (2 * h)", "(f(x) - f(x - h)) / h",
          "slope ONE_SIDED:backward"),
    wrong("divided by h", "/ (2 * h)", "/ h", "slope RATIO:2"),
    wrong("no brackets around 2 * h", "/ (2 * h)", "/ 2 * h", "slope VALUE:precedence"),
    wrong("the wrong way round", "(f(x + h) - f(x - h))", "(f(x - h) - f(x + h))", "slope RATIO:-1"),
    wrong("order without logarithms", "math.log(e1 / e2) / math.log(h1 / h2)", "(e1 - e2) / (h1 - h2)",
          "order VALUE:no logarithm"),
    wrong("order upside down", "math.log(e1 / e2) / math.log(h1 / h2)", "math.log(h1 / h2) / math.log(e1 / e2)",
          "order RATIO:1/p"),
)
