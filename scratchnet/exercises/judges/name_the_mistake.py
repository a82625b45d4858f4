"""Each answer against the arrays themselves: a name is right if what it says holds."""
import numpy as np

from ..exercise import wrong
from ..judging import Finding, Slip, require


def ratio(A, N, **_):
    return A.shape == N.shape and np.allclose(A, A.flat[0] / N.flat[0] * N)


HOLDS = {
    "RATIO": ratio,
    "TRANSPOSED": lambda A, N, **_: N.ndim == 2 and A.shape == N.T.shape and np.allclose(A, N.T),
    "UNSUMMED": lambda A, N, **_: A.ndim > N.ndim and np.allclose(A.sum(axis=0), N),
    "IDENTITY": lambda A, N, g=None, **_: g is not None and np.array_equal(A, g),
    "CONTRIB": lambda A, N, shares=(0,), **_: np.allclose(sum(shares), N) and np.array_equal(A, shares[-1]),
    "FLIPPED": lambda A, N, **_: N.ndim == 2 and A.shape == N.shape and np.allclose(A, N[::-1, ::-1]),
    "LOCAL": lambda A, N, x=None, **_: x is not None and A.shape == N.shape and np.array_equal(A != N, x < 0),
}
FACTS = {"RATIO": "A / N is not one number here", "TRANSPOSED": "A is not N.T here",
         "UNSUMMED": "A.sum(axis=0) is not N here",
         "IDENTITY": "A is not g here", "CONTRIB": "A is not the last of several shares here",
         "FLIPPED": "A is not N[::-1, ::-1] here",
         "LOCAL": "A and N differ at other places than x < 0 here"}


def judge(answer, right):
    said, findings = answer.ANSWERS, []
    require(isinstance(said, dict), "ANSWERS", "TYPE", f"ANSWERS is a {type(said).__name__}, it must stay a dict")
    for case, arrays in right.CASES.items():
        name = str(said.get(case, "?")).strip().upper()
        arrays = {key: np.array(value) for key, value in arrays.items()}
        if name == "?":
            findings.append(Finding(f"case {case}", "NAME", "none", f"case {case} has no name yet"))
        elif name not in HOLDS:
            findings.append(Finding(f"case {case}", "NAME", "unknown", f"{name} is none of {', '.join(HOLDS)}"))
        elif not HOLDS[name](**arrays):
            findings.append(Finding(f"case {case}", "NAME", name, f"not {name}: {FACTS[name]}"))
    if findings:
        raise Slip(*findings)


HINTS = ("look at the shapes first: two cases have another shape in A than in N",
         "for the others compute A / N: the same number everywhere is RATIO; the same numbers at other places are an "
         "order",
         "c has the numbers of N from the last to the first; e has those of g; f has those of one of its shares; b "
         "has three rows for one")

BACKGROUND = """
sn.check_backward does nothing else: from the measured slopes it computes what each known mistake would have given,
and compares (scratchnet/check/).  It says a name only if that holds for several draws of different shapes, because
with one draw 0.25 may be ¼ or one over the batch.
"""

WRONG = (
    wrong("a and c mixed up", '"a": "TRANSPOSED",\n    "b": "UNSUMMED",\n    "c": "FLIPPED"',
          '"a": "FLIPPED",\n    "b": "UNSUMMED",\n    "c": "TRANSPOSED"',
          "case a NAME:FLIPPED"),
    wrong("a sum taken for a constant", '"b": "UNSUMMED"', '"b": "RATIO"', "case b NAME:RATIO"),
    wrong("x < 0 taken for the reason", '"e": "IDENTITY"', '"e": "LOCAL"', "case e NAME:LOCAL"),
    wrong("the left-over name used", '"f": "CONTRIB"', '"f": "LOCAL"', "case f NAME:LOCAL"),
    wrong("a name that does not exist", '"d": "RATIO"', '"d": "FACTOR"', "case d NAME:unknown"),
)
