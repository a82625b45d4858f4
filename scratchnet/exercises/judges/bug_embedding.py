"""Sentences with repeated words; unused rows must stay 0."""
import numpy as np

from ..exercise import wrong
from ..judging import gradients, regimes, values

PLANTED = ("    np.add.at(dtable, ids, g)\n", "    dtable[ids] += g\n")


def last(g, ids, shape):
    out = np.zeros(shape)
    out[ids] = g
    return out


def uses(ids, shape):
    """How often each word comes, at least 1, (V, 1)."""
    return np.maximum(1, np.bincount(ids.ravel(), minlength=shape[0]))[:, None]


def judge(answer, right):
    rng = np.random.default_rng(0)
    cases = [(rng.standard_normal((N, T, D)), rng.integers(0, V, (N, T)), (V, D))
             for N, T, D, V in ((3, 4, 2, 5), (1, 6, 3, 2), (4, 4, 4, 4))]
    values("table", answer.table_backward, right.table_backward, cases,
           ("OVERWRITTEN", last,
            "where a word comes twice, only its last place counts: dtable[ids] += g reads and writes each row once"),
           ("CONTRIB first only", lambda g, ids, shape: right.table_backward(g[:1], ids[:1], shape),
            "only the first sentence counts"),
           ("DY ones", lambda g, ids, shape: right.table_backward(np.ones_like(g), ids, shape),
            "this counts how often each word comes; g is not used"),
           ("RATIO per use", lambda g, ids, shape: right.table_backward(g, ids, shape) / uses(ids, shape),
            "each row is averaged over its places; the chain rule adds them"))
    gradients(right.lookup, lambda g, table, ids: answer.table_backward(g, ids, table.shape), regimes(
        lambda rng, N, T, D, V: (rng.standard_normal((V, D)), rng.integers(0, V, (N, T))), (2, 3, 2, 4), (1, 4, 1, 3),
        (3, 3, 3, 3)))


HINTS = ("look at rows whose word comes several times; the rows of the other words are right",
         "the line that adds g into the table: with an index array, += reads all rows first and writes them afterwards",
         "np.add.at(dtable, ids, g) adds once per index, however often it comes")

BACKGROUND = """
NumPy computes dtable[ids] += g as dtable[ids] = dtable[ids] + g: two equal indices read the same old row, and the
second write wins.  Reported many times against hand-written word2vec code, where frequent words then learn too
slowly, and nothing crashes.  scratchnet's getitem has the same rule (scratchnet/ops/shape.py).
"""

WRONG = (
    wrong("= for +=", "np.add.at(dtable, ids, g)", "dtable[ids] = g", "table OVERWRITTEN"),
    wrong("only the first sentence", "np.add.at(dtable, ids, g)", "np.add.at(dtable, ids[0], g[0])",
          "table CONTRIB:first only"),
    wrong("counts instead of gradients", "np.add.at(dtable, ids, g)", "np.add.at(dtable, ids, 1.0)", "table DY:ones"),
    wrong("averaged over the places", "    return dtable\n",
          "    n = np.bincount(ids.ravel(), minlength=len(dtable))\n    return dtable / np.maximum(1, n)[:, None]\n",
          "table RATIO:per use"),
    wrong("sign", "np.add.at(dtable, ids, g)", "np.subtract.at(dtable, ids, g)", "table RATIO:-1"),
)
