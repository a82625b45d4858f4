"""The slope of a function, measured

Every derivative in this course can be measured: move x a little and see how far f moves.  The obvious
way, (f(x+h) − f(x)) / h, is off by about h·f''/2.  Looking to both sides costs one more call and is off
by h²·f'''/6 only, because the terms with f'' cancel:

Formula
    f(x+h) = f(x) + h·f' + h²/2·f'' + h³/6·f''' + …                     Taylor's series
    f(x−h) = f(x) − h·f' + h²/2·f'' − h³/6·f''' + …                     subtract, and divide by 2h:
    slope  = (f(x+h) − f(x−h)) / 2h  =  f'(x) + h²/6·f''' + …           an error of order 2

    An error of the form e = c·hᵖ is a straight line on log-log paper, and its order p the slope of it:
    p = log(e₁/e₂) / log(h₁/h₂)

Shapes
    Everything is one float; f is a function of one float.

Example
    f(x) = x³ has the slope 12 at 2.  With h = 0.1 the formula gives (9.261 − 6.859) / 0.2:
    >>> round(slope(lambda x: x ** 3, 2.0, 0.1), 9)
    12.01
    >>> round(order(e1=0.01, h1=0.1, e2=0.0001, h2=0.01), 9)            # h 10 times smaller, error 100 times
    2.0

To do
    Both functions, one line each.  (math.log is the natural logarithm.)
"""
import math


def slope(f, x, h):
    """The slope of f at x, from two calls of f."""
    # >>> one line: look to both sides
    return (f(x + h) - f(x - h)) / (2 * h)
    # <<<


def order(e1, h1, e2, h2):
    """p, if the error is e1 with step h1 and e2 with step h2."""
    # >>> one line
    return math.log(e1 / e2) / math.log(h1 / h2)
    # <<<
