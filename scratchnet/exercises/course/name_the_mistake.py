"""Six wrong gradients: name the mistake

A gradient check gives two arrays: A, what the backward returned, and N, what was measured.  Most mistakes
leave a signature in the pair that can be read with the eye, or with one line of NumPy.

Formula
    RATIO        A = c·N with one number c                  a constant (2, 1/N, −1) lost or too many
    TRANSPOSED   A = N.T                                    the factors of a product in the wrong order
    UNSUMMED     A.sum(axis=0) = N                          a broadcast not undone
    IDENTITY     A = g                                      the local slope is missing
    CONTRIB      A is the share of the last row only        '=' in a loop where '+=' is needed
    FLIPPED      A = N reversed along both axes             a kernel turned round
    LOCAL        A = N, except where x < 0                  a branch of the function has its slope wrong

Shapes
    As printed below; g and x are given where they help.

Example
    Take N = [[2, 4], [6, 8]].  A = [[1, 2], [3, 4]] is half of it everywhere: RATIO.
    >>> N = np.array([[2., 4.], [6., 8.]]); A = np.array([[1., 2.], [3., 4.]])
    >>> A / N
    array([[0.5, 0.5],
           [0.5, 0.5]])

To do
    Fill in ANSWERS: for each case one of the seven names.  One name is left over.  This file is Python: run
    it, print A / N, A − N, A.sum(0), whatever helps.
"""
import numpy as np

CASES = {
    "a": dict(N=[[-3., 1.], [4., 0.], [2., -5.]], A=[[-3., 4., 2.], [1., 0., -5.]]),
    "b": dict(N=[3., 1.], A=[[1., -1.], [4., 0.], [-2., 2.]]),
    "c": dict(N=[[1., -2., 0.], [3., 5., 4.]], A=[[4., 5., 3.], [0., -2., 1.]]),
    "d": dict(N=[[0.5, -1., 2.], [1.5, 3., -0.5]], A=[[1.5, -3., 6.], [4.5, 9., -1.5]]),
    "e": dict(N=[0.25, -0.4, 1.2], A=[1., -2., 5.], g=[1., -2., 5.], x=[0.5, 1.5, -0.3]),
    "f": dict(N=[[1., 2.], [7., -1.]], A=[[4., 0.], [6., 0.]],
              shares=[[[-5., 1.], [1., -3.]], [[2., 1.], [0., 2.]], [[4., 0.], [6., 0.]]]),
}

ANSWERS = {
    # >>> one name each
    #| "a": "?",
    #| "b": "?",
    #| "c": "?",
    #| "d": "?",
    #| "e": "?",
    #| "f": "?",
    "a": "TRANSPOSED",
    "b": "UNSUMMED",
    "c": "FLIPPED",
    "d": "RATIO",
    "e": "IDENTITY",
    "f": "CONTRIB",
    # <<<
}
