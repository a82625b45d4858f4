"""Names for numbers: is 0.25 one over the batch, or simply a quarter?  And names for axes."""
from __future__ import annotations

import itertools

import numpy as np

NUMBERS = [("-1", -1.0), ("2", 2.0), ("1/2", 0.5), ("-2", -2.0), ("-1/2", -0.5), ("0", 0.0), ("3", 3.0), ("4", 4.0),
           ("1/4", 0.25), ("1/3", 1 / 3), ("sqrt(2)", 2 ** 0.5)]
AXES = {1: ("batch",), 2: ("batch", "feature"), 4: ("batch", "channel", "row", "col")}


def sizes_of(inputs: dict, y_shape: tuple) -> dict[str, int]:
    """The lengths a factor may come from, by the letters a learner uses for them.

    B batch; D (with integer labels C) features of the first input; O outputs; of images C, H, W and Ho, Wo.
    """
    arrays = {k: v for k, v in inputs.items() if isinstance(v, np.ndarray)}
    floats = {k: v.shape for k, v in arrays.items() if v.dtype.kind == "f"}
    labels = any(v.dtype.kind in "iub" for v in arrays.values())
    sizes: dict[str, int] = {}
    first = next((s for s in floats.values() if s), ())
    for letter, n in zip({2: ("B", "C" if labels else "D"), 4: ("B", "C", "H", "W")}.get(len(first), ("B", "D", "E")), first):
        sizes[letter] = n
    for letter, n in zip({2: ("B", "O"), 4: ("B", "O", "Ho", "Wo")}.get(len(y_shape), ("B",)), y_shape):
        sizes.setdefault(letter, n)
    for name, shape in list(floats.items())[1:]:
        if len(shape) == 4:
            sizes.setdefault("k", shape[2])
        for axis, n in enumerate(shape):
            if n not in sizes.values():
                sizes[f"{name}.shape[{axis}]"] = n
    for axis, n in enumerate(y_shape):
        if n not in sizes.values():
            sizes[f"y.shape[{axis}]"] = n
    return sizes


def named_constants(sizes: dict[str, int]) -> list[tuple[str, float]]:
    """What a constant factor may be, simplest first: products and quotients of sizes and small numbers."""
    out = list(NUMBERS)
    items = [(k, float(v)) for k, v in sizes.items() if v not in (0, 1)]
    for k, v in items:
        out += [(k, v), (f"1/{k}", 1 / v), (f"-{k}", -v), (f"-1/{k}", -1 / v)]
    for k, v in items:
        out += [(f"2/{k}", 2 / v), (f"{k}/2", v / 2), (f"1/(2*{k})", 0.5 / v), (f"2*{k}", 2 * v),
                (f"1/{k}^2", 1 / v ** 2), (f"{k}^2", v * v), (f"sqrt({k})", v ** 0.5), (f"1/sqrt({k})", v ** -0.5),
                (f"{k}-1", v - 1), (f"{k}/({k}-1)", v / (v - 1)), (f"({k}-1)/{k}", (v - 1) / v), (f"1+{k}", 1 + v)]
    for (k, v), (m, w) in itertools.combinations(items, 2):
        out += [(f"{k}*{m}", v * w), (f"1/({k}*{m})", 1 / (v * w)), (f"{k}/{m}", v / w), (f"{m}/{k}", w / v),
                (f"2/({k}*{m})", 2 / (v * w)), (f"1/(2*{k}*{m})", 0.5 / (v * w))]
    for (k, v), (m, w), (n, u) in itertools.combinations(items, 3):
        out += [(f"{k}*{m}*{n}", v * w * u), (f"1/({k}*{m}*{n})", 1 / (v * w * u))]
    if len(items) >= 4:
        (k, v), (m, w), (n, u), (o, t) = items[:4]
        out += [(f"{k}*{m}*{n}*{o}", v * w * u * t), (f"1/({k}*{m}*{n}*{o})", 1 / (v * w * u * t))]
    negative = [("-" + name, -v) for name, v in out[len(NUMBERS):] if not name.startswith("-")]
    return out + negative


def readings(c: float, constants: list[tuple[str, float]]) -> list[str]:
    """Every name that c can have here, simplest first."""
    return list(dict.fromkeys(name for name, v in constants if abs(v - c) <= 1e-6 * max(abs(v), abs(c)) + 1e-12))


def axis_names(shape: tuple) -> tuple[str, ...]:
    return AXES.get(len(shape), tuple(f"axis{k}" for k in range(len(shape))))
