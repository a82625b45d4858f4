"""Is this gradient right, and if not, what is the mistake?

    gradient.py    check_grad, check_backward         numeric.py      slopes by measurement
    subject.py     what is checked, as a plain pair   draw.py         one random draw of it
    engine.py      functions of Tensors as such       compare.py      right, wrong, or at a kink
    diagnose.py    from a wrong gradient to its name  hypotheses/     the kinds of mistakes known
    properties.py  memory, chance, stale caches       source.py, trace.py   reading the forward's text
    findings.py, message.py   what is reported        names.py        is it 1/B or 1/4?
"""
from .findings import Finding, GradientError, Passed
from .gradient import check_backward, check_grad
from .numeric import Slope, slope
