"""Convolutions computed by PyTorch, to compare ours with.  Rewrite the file: python -m tests.torch_conv_cases

A case is one call of conv2d or conv_transpose2d, an upstream g, directions rx, rw, rb, and the answers:

    y            the value
    dx, dw, db   the gradients of ⟨g, y⟩
    sx, sw, sg   the gradients of s = ⟨rx, dx⟩ + ⟨rw, dw⟩ + ⟨rb, db⟩: the gradient of the gradient

dx depends on (g, w), dw on (x, g), db on g: so s reaches every rule that a first-order rule is made of.
A case without bias has no b, rb and db.

Every input is k/4 with a whole k, |k| ≤ 8, and every answer is a sum of products of two inputs (y and sg
also add a b or an rb).  So all numbers are multiples of 1/16, exact in any order of summation, and the
file holds them as whole numbers.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

PATH = Path(__file__).with_name("torch_conv_cases.npz")
COUNT = 300
SEED = 1                                    # the first whose cases pass the coverage test of test_conv_torch.py


class Case(NamedTuple):
    transposed: bool
    settings: dict                          # stride, padding, dilation (, output_padding): an int or a pair each
    inputs: dict                            # name -> array: x, w, g, rx, rw (, b, rb)
    answers: dict                           # name -> array: y, dx, dw (, db), sx, sw, sg

    @property
    def op(self):
        return "conv_transpose2d" if self.transposed else "conv2d"

    def __str__(self):
        tensors = [f"{name} {self.inputs[name].shape}" for name in "xwb" if name in self.inputs]
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        return f"{self.op}({', '.join(tensors + settings)})"


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


# ---- draw --------------------------------------------------------------------------------------

def draw(rng, count=COUNT):
    """Cases without their answers, half conv2d, half conv_transpose2d."""
    return [draw_case(rng, transposed=i % 2 == 1) for i in range(count)]


def draw_case(rng, transposed):
    def setting(low, high):                 # low ≤ value < high on each axis; a third of them an int for both
        if rng.random() < 1 / 3:
            return int(rng.integers(low, min(high)))
        return tuple(rng.integers(low, high).tolist())

    # I outputs at stride s span H = (I−1)s + d(K−1) + 1 − 2p rows.  With r < s rows more there are still I
    # outputs: conv2d does not reach those rows, conv_transpose2d needs r as its output_padding.
    while True:
        small, filters = rng.integers(1, 5, 2), rng.integers(1, 5, 2)             # (I, J), (K, L)
        stride, padding, dilation = setting(1, (4, 4)), setting(0, filters), setting(1, (3, 3))
        extra = setting(0, pair(stride))
        s, p, d, r = (np.array(pair(v)) for v in (stride, padding, dilation, extra))
        large = (small - 1) * s + d * (filters - 1) + 1 - 2 * p + r               # (H, W)
        if 1 <= min(large) and max(large) <= 12 and large[0] != large[1]:
            break

    N, C, F = rng.integers(1, 4, 3)
    x, y = (N, C, *large), (N, F, *small)
    if transposed:
        x, y = y, x
    w = (F, C, *filters)
    shapes = {"x": x, "w": w, "g": y, "rx": x, "rw": w}
    if rng.random() < 0.5:
        shapes |= {"b": (y[1],), "rb": (y[1],)}

    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    if transposed:
        settings["output_padding"] = extra
    return Case(transposed, settings, {name: rng.integers(-8, 9, shape) / 4 for name, shape in shapes.items()}, {})


# ---- compute -----------------------------------------------------------------------------------

def answers(case, tensor, conv, grad):
    """The answers, by a library's tensor(array), conv(x, w, b, ...) and grad(y, xs, create_graph=...)."""
    t = {name: tensor(array) for name, array in case.inputs.items()}
    y = conv(t["x"], t["w"], t.get("b"), **case.settings)
    names = [name for name in "xwb" if name in t]
    first = grad((t["g"] * y).sum(), [t[name] for name in names], create_graph=True)
    s = sum((t["r" + name] * d).sum() for name, d in zip(names, first))
    second = grad(s, [t["x"], t["w"], t["g"]])

    found = {"y": y}
    found |= {"d" + name: d for name, d in zip(names, first)}
    found |= {"s" + name: d for name, d in zip("xwg", second)}
    return {name: value.detach().numpy() for name, value in found.items()}


def by_torch(case):
    """The case with PyTorch's answers, in float64."""
    import torch                            # here, so that reading the stored cases needs no PyTorch
    found = answers(case, lambda array: torch.tensor(array, requires_grad=True),
                    getattr(torch.nn.functional, case.op), torch.autograd.grad)
    return case._replace(answers=found)


# ---- store -------------------------------------------------------------------------------------

def save(cases, path=PATH):
    """Two arrays: `index`, a JSON text with the settings and shapes; `sixteenths`, all numbers · 16."""
    def shapes(arrays):
        return {name: array.shape for name, array in arrays.items()}

    index = [[c.transposed, c.settings, shapes(c.inputs), shapes(c.answers)] for c in cases]
    numbers = 16 * np.concatenate([array.ravel() for c in cases for array in (c.inputs | c.answers).values()])
    sixteenths = numbers.astype(np.int16)
    if not np.array_equal(sixteenths, numbers):
        raise ValueError("a number is no multiple of 1/16 below 2048: int16 sixteenths cannot hold it")
    np.savez_compressed(path, index=json.dumps(index), sixteenths=sixteenths)


def load(path=PATH):
    """The cases of a file that `save` wrote."""
    with np.load(path) as file:             # NumPy refuses pickles unless asked
        index, numbers = json.loads(file["index"].item()), file["sixteenths"] / 16
    start = 0

    def take(shapes):                       # the next numbers, in these shapes
        nonlocal start
        arrays = {}
        for name, shape in shapes.items():
            stop = start + int(np.prod(shape))
            arrays[name], start = numbers[start:stop].reshape(shape), stop
        return arrays

    cases = []
    for transposed, settings, inputs, outputs in index:
        settings = {name: value if isinstance(value, int) else tuple(value) for name, value in settings.items()}
        cases.append(Case(transposed, settings, take(inputs), take(outputs)))
    return cases


if __name__ == "__main__":
    save([by_torch(case) for case in draw(np.random.default_rng(SEED))])
    print(f"{PATH}: {len(load())} cases, {PATH.stat().st_size:,} bytes")
