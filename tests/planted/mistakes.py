"""117 wrong backwards with the names a teacher would give them: the labels were written down before any check was run.

    @planted(PAIR, "what was done wrong", "target", accepted keys: "CODE" or the beginning of "CODE:detail")
    def _(dy, r, *inputs): change the right gradients r
"""
from . import arrays, models
from .register import MISTAKES, Mistake
