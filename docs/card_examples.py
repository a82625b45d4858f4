"""One worked example per op for its card: small numbers, and its shapes in letters, which the generator executes.

An op without an example here fails the build of the documentation.
"""
from __future__ import annotations

from typing import NamedTuple


class Code(str):
    """A setting as it is written, with classes of the op's own file."""
    __repr__ = str.__str__


class Example(NamedTuple):
    shapes: str                                 # inputs → output, in the letters of notation.md
    inputs: dict                                # by name, as nested lists
    settings: dict = {}
    sizes: dict = {}                            # letters of the output that the inputs do not have: how they follow
    constants: tuple = ()                       # inputs to which no gradient flows in the example


IMAGE = [[[[1, 2, 0], [0, 1, 3], [2, 1, 1]]]]                              # (1,1,3,3)
WIDE = [[[[1, 2, 0, 4], [0, 1, 3, 1], [5, 1, 1, 0], [2, 0, 1, 6]]]]        # (1,1,4,4)
FILTER = [[[[1, -1], [2, 0]]]]                                             # (1,1,2,2)
SPAN = "({0}+2*p-d*({1}-1)-1)//s+1"
ROW = dict(x=[1, 2, 4])

EXAMPLES = {
    "broadcast_to": Example("x (M,) → (N,M)", dict(x=[1, 2, 3]), dict(shape=(2, 3)), {"N": "shape[0]"}),
    "sum_to": Example("x (N,M) → (M,)", dict(x=[[1, 2, 3], [4, 5, 6]]), dict(shape=(3,))),
    "add": Example("a (N,M), b (M,) → (N,M)", dict(a=[[1, 2, 3], [4, 5, 6]], b=[10, 20, 30])),
    "sub": Example("a (N,M), b (M,) → (N,M)", dict(a=[[1, 2, 3], [4, 5, 6]], b=[10, 20, 30])),
    "mul": Example("a (N,M), b (M,) → (N,M)", dict(a=[[1, 2, 3], [4, 5, 6]], b=[10, 20, 30])),
    "div": Example("a (N,M), b (M,) → (N,M)", dict(a=[[1, 2], [3, 4]], b=[2, 4])),
    "power": Example("a (M,), b () → (M,)", dict(a=[1, 2, 3], b=2)),
    "maximum": Example("a (M,), b (M,) → (M,)", dict(a=[1, 5, 2], b=[3, 4, 2])),
    "minimum": Example("a (M,), b (M,) → (M,)", dict(a=[1, 5, 2], b=[3, 4, 2])),
    "select": Example("a (M,), b (M,) → (M,)", dict(a=[1, 2, 3], b=[10, 20, 30]), dict(condition=[True, False, True])),
    "neg": Example("x (M,) → (M,)", ROW),
    "exp": Example("x (M,) → (M,)", dict(x=[0, 1, -1])),
    "log": Example("x (M,) → (M,)", ROW),
    "sqrt": Example("x (M,) → (M,)", dict(x=[1, 4, 16])),
    "abs": Example("x (M,) → (M,)", dict(x=[-2, 0, 3])),
    "tanh": Example("x (M,) → (M,)", dict(x=[0, 1, -2])),
    "sigmoid": Example("x (M,) → (M,)", dict(x=[0, 1, -2])),
    "softplus": Example("x (M,) → (M,)", dict(x=[0, 1, -2])),
    "relu": Example("x (M,) → (M,)", dict(x=[-1, 0, 2])),
    "leaky_relu": Example("x (M,) → (M,)", dict(x=[-1, 0, 2]), dict(slope=0.25)),
    "clip": Example("x (M,) → (M,)", dict(x=[-3, 1, 2, 7]), dict(low=0, high=2)),
    "reshape": Example("x (N,M) → (K,L)", dict(x=[[1, 2, 3], [4, 5, 6]]), dict(shape=(3, 2)),
                       {"K": "shape[0]", "L": "shape[1]"}),
    "transpose": Example("x (N,M) → (M,N)", dict(x=[[1, 2, 3], [4, 5, 6]])),
    "concatenate": Example("xs[0] (N,M), xs[1] (K,M) → (N+K,M)", dict(xs=[[[1, 2]], [[3, 4], [5, 6]]])),
    "stack": Example("xs[0] (M,), xs[1] (M,) → (2,M)", dict(xs=[[1, 2, 3], [4, 5, 6]])),
    "pad": Example("x (N,M) → (N+2,M+2)", dict(x=[[1, 2], [3, 4]]), dict(width=1)),
    "crop": Example("x (N,M) → (N-2,M-2)", dict(x=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]), dict(width=1)),
    "getitem": Example("x (M,) → (K,)", dict(x=[10, 20, 30]), dict(index=[2, 0, 2]), {"K": "len(index)"}),
    "scatter_add": Example("g (K,) → (M,)", dict(g=[1, 2, 3]), dict(shape=(4,), index=[2, 0, 2]), {"M": "shape[0]"}),
    "sum": Example("x (N,M) → (N,)", dict(x=[[1, 2, 3], [4, 5, 6]]), dict(axis=1)),
    "mean": Example("x (N,M) → (N,)", dict(x=[[1, 2, 3], [4, 5, 6]]), dict(axis=1)),
    "var": Example("x (N,M) → (N,)", dict(x=[[1, 2, 6], [4, 4, 4]]), dict(axis=1)),
    "max": Example("x (N,M) → (N,)", dict(x=[[1, 5, 2], [4, 3, 4]]), dict(axis=1)),
    "logsumexp": Example("x (N,M) → (N,)", dict(x=[[0, 0], [1, 3]]), dict(axis=1)),
    "softmax": Example("x (N,M) → (N,M)", dict(x=[[0, 0], [1, 3]])),
    "log_softmax": Example("x (N,M) → (N,M)", dict(x=[[0, 0], [1, 3]])),
    "product": Example("a (N,D), b (D,M) → (N,M)", dict(a=[[1, 2, 3], [4, 5, 6]], b=[[1, 0], [0, 2], [1, 1]])),
    "dense": Example("x (N,D), w (D,M), b (M,) → (N,M)",
                     dict(x=[[1, 2, 3], [4, 5, 6]], w=[[1, 0], [0, 2], [1, 1]], b=[10, 20])),
    "dense_chain": Example("x (N,D), weights[0] (D,M), weights[1] (M,), weights[2] (M,P), weights[3] (P,) → (N,P)",
                           dict(x=[[1, 2], [-3, 4]], weights=[[[1, 0, 2], [0, 2, 1]], [1, -5, 0], [[1], [2], [3]], [-4]]),
                           dict(slopes=[0.0, 1.0])),
    "conv2d": Example("x (N,C,H,W), w (F,C,K,L), b (F,) → (N,F,I,J)", dict(x=IMAGE, w=FILTER, b=[10]),
                      dict(stride=1, padding=0, dilation=1), {"I": SPAN.format("H", "K"), "J": SPAN.format("W", "L")}),
    "conv2d_transpose": Example("g (N,F,I,J), w (F,C,K,L), b (C,) → (N,C,H,W)",
                                dict(g=[[[[1, 2], [3, 4]]]], w=FILTER, b=[10]),
                                dict(size=(4, 4), stride=2), {"H": "size[0]", "W": "size[1]"}),
    "conv2d_relu": Example("x (N,C,H,W), w (F,C,K,L), b (F,) → (N,F,I,J)", dict(x=IMAGE, w=FILTER, b=[-2]),
                           dict(stride=1, padding=0, dilation=1), {"I": SPAN.format("H", "K"), "J": SPAN.format("W", "L")}),
    "conv2d_transpose_relu": Example("g (N,F,I,J), w (F,C,K,L), b (C,) → (N,C,H,W)",
                                     dict(g=[[[[1, 2], [3, 4]]]], w=FILTER, b=[-2.5]),
                                     dict(size=(4, 4), stride=2), {"H": "size[0]", "W": "size[1]"}),
    "conv_chain": Example("x (N,C,H,W), weights[0] (F,C,K,L), weights[1] (F,), weights[2] (F,D,K,L), weights[3] (D,) → (N,D,H,W)",
                          dict(x=IMAGE, weights=[FILTER, [-2], FILTER, [1]]),
                          dict(stages=Code("[Stage(slope=0.0), Stage(transposed=True)]"))),
    "batch_norm": Example("x (N,C,H,W), gamma (C,), beta (C,) → (N,C,H,W)",
                          dict(x=[[[[1, 3]]], [[[3, 5]]]], gamma=[2], beta=[1]), dict(eps=0.0, slope=0.0)),
    "conv2d_weight": Example("x (N,C,H,W), g (N,F,I,J) → (F,C,K,L)", dict(x=IMAGE, g=[[[[1, 2], [3, 4]]]]),
                             dict(size=(2, 2)), {"K": "size[0]", "L": "size[1]"}),
    "mse": Example("pred (N,M), target (N,M) → ()",
                   dict(pred=[[1, 2], [3, 4]], target=[[1, 0], [5, 4]]), constants=("target",)),
    "bce_with_logits": Example("logits (N,M), target (N,M) → ()", dict(logits=[[0, 2], [-1, 0]], target=[[1, 1], [0, 0.5]]),
                               constants=("target",)),
    "cross_entropy": Example("logits (N,M) → ()", dict(logits=[[0, 1, 2], [3, 0, 0]]), dict(labels=[2, 1])),
    "gaussian_kl": Example("mu (N,D), logvar (N,D) → ()",
                           dict(mu=[[0, 1], [2, 0]], logvar=[[0, 0], [-1, 1]])),
    "normalize": Example("x (N,C), mean (1,C), var (1,C), gamma (1,C), beta (1,C) → (N,C)",
                         dict(x=[[1, 2], [3, 6]], mean=[[2, 4]], var=[[1, 4]], gamma=[[2, 1]], beta=[[0, 10]]), dict(eps=0.0)),
    "max_pool2d": Example("x (N,C,H,W) → (N,C,I,J)", dict(x=WIDE), dict(size=2, stride=2, padding=0),
                          {"I": "(H+2*padding-size)//stride+1", "J": "(W+2*padding-size)//stride+1"}),
    "take": Example("x (N,C,H,W) → (N,C,I,J)", dict(x=IMAGE), dict(where=[[[[1, 5]]]]), {"I": "1", "J": "2"}),
    "put": Example("g (N,C,I,J) → (N,C,H,W)", dict(g=[[[[1, 2]]]]), dict(where=[[[[1, 1]]]], size=(2, 2)),
                   {"H": "size[0]", "W": "size[1]"}),
    "avg_pool2d": Example("x (N,C,H,W) → (N,C,I,J)", dict(x=WIDE), dict(size=2, stride=2, padding=0),
                          {"I": "(H+2*padding-size)//stride+1", "J": "(W+2*padding-size)//stride+1"}),
    "avg_pool2d_transpose": Example("g (N,C,I,J) → (N,C,H,W)", dict(g=[[[[4, 8], [12, 16]]]]),
                                    dict(image=(4, 4), size=(2, 2), stride=(2, 2), padding=(0, 0)),
                                    {"H": "image[0]", "W": "image[1]"}),
}
