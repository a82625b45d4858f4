"""The words: what was found in one sentence, numbers side by side, a picture of the error, where to look next."""
from __future__ import annotations

import numpy as np

from .findings import Finding

SHADES = " ·-+*#@"
NEXT = {
    "RATIO": "look for a mean that should be a sum (or the reverse), a sign, a ½ or 2 from a square",
    "UNSUMMED": "add .sum(axis=…) over that axis",
    "TRANSPOSED": "compare the shapes along each product: (N, D) @ (D, M)",
    "SUBST": "write the formula with every array's name and shape beside it, and compare",
    "CONST": "pass the same settings to backward as to forward",
    "PATHS": "a value used several times receives the sum of what its uses send back: +=",
    "DIAGONAL": "every output depends on every input of its row: use the full Jacobian, y·(g − Σ g·y) for softmax",
    "UNKNOWN": "check one piece at a time: a smaller function, one input, an input with a single entry",
    "RANDOM_FORWARD": "nothing was compared: no gradient can be measured of a function that is not one",
}


def paragraph(f: Finding) -> str:
    """The whole message for one finding."""
    name = "backward" if f.target == "*" else f.target
    lines = [f"{name}: {f.text}" + (f"  [{f.key}]" if f.code else "")]
    if f.where:
        lines.append(f"    in {f.where}")
    if f.got is not None and f.right is not None and f.got.shape == f.right.shape:
        lines += table(f) + picture(f)
        if f.draws > 1:
            lines.append(f"    holds exactly on {f.draws} draws, for several random g each" if f.code != "UNKNOWN" else
                         f"    wrong on {f.draws} draws")
    if f.others and f.code != "UNKNOWN":
        lines.append("    also fits: " + "; ".join(f.others[:3]))
    if f.code in NEXT:
        lines.append("    next: " + NEXT[f.code])
    return "\n".join(lines)


def table(f: Finding, rows: int = 4) -> list[str]:
    """backward against measured at the entries that differ most."""
    error = np.abs(np.where(np.isfinite(f.got), f.got, np.inf) - f.right)
    worst = np.argsort(-error.ravel(), kind="stable")[:rows]
    lines = [f"    {'at':<16}{'backward':>14}{'measured':>14}"]
    for e in worst:
        index = tuple(int(i) for i in np.unravel_index(e, f.right.shape))
        lines.append(f"    {str(index):<16}{f.got.flat[e]:>14.6g}{f.right.flat[e]:>14.6g}")
    wrong = int(f.wrong.sum()) if f.wrong is not None else f.right.size
    return lines + [f"    {wrong} of {f.right.size} entries differ"]


def picture(f: Finding) -> list[str]:
    """Of image-shaped gradients, the error in the first image: the darker the sign, the larger."""
    if f.right.ndim != 4 or min(f.right.shape[-2:]) < 3 or max(f.right.shape[-2:]) > 64:
        return []
    error = np.abs(np.nan_to_num(f.got - f.right, posinf=0, neginf=0)).max(axis=(0, 1))
    if not error.any():
        return []
    shade = np.ceil(error / error.max() * (len(SHADES) - 1)).astype(int)
    return ["    where, over all images and channels:"] + ["      " + "".join(SHADES[k] * 2 for k in row) for row in shade]
