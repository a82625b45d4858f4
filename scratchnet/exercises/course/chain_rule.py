"""Four derivatives by hand

The chain rule is all there is to backpropagation: the slope of a composition is the product of the slopes
of its steps, each taken at the value that arrives there.

Formula
    y = f(u), u = h(x):      dy/dx = f'(u) · h'(x)
    (eᵘ)' = eᵘ    (sin u)' = cos u    (log u)' = 1/u    (√u)' = 1 / (2√u)    (1/u)' = −1/u²

Shapes
    x any shape, treated entry by entry; every derivative has the shape of x.

Example
    y = exp(sin x) is f(u) = eᵘ after u = sin x, so dy/dx = exp(sin x) · cos x.  At x = 0:  e⁰ · 1 = 1.
    >>> float(dwave(np.array(0.0)))                                     # 2·0 · cos(0²)
    0.0
    >>> float(dbell(np.array(1.0)).round(6))                            # −1 · exp(−1/2)
    -0.606531

To do
    The derivative of each of the four functions, in x.  Name the inner value, then multiply the two slopes.
"""
import numpy as np


def wave(x):  return np.sin(x ** 2)
def bell(x):  return np.exp(-x ** 2 / 2)
def curve(x): return np.sqrt(1 + x ** 4)
def squash(x): return 1 / (1 + np.exp(-3 * x))


def dwave(x):
    # >>> the slope of sin(x²)
    return 2 * x * np.cos(x ** 2)
    # <<<


def dbell(x):
    # >>> the slope of exp(−x²/2)
    return -x * np.exp(-x ** 2 / 2)
    # <<<


def dcurve(x):
    # >>> the slope of √(1 + x⁴)
    return 4 * x ** 3 / (2 * np.sqrt(1 + x ** 4))
    # <<<


def dsquash(x):
    # >>> the slope of 1 / (1 + exp(−3x))
    y = squash(x)
    return 3 * y * (1 - y)
    # <<<
