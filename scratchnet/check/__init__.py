"""Is this gradient right, and if not, what is the mistake?

    gradient.py    check_grad, check_backward         numeric.py      slopes by measurement
    subject.py     what is checked, as a plain pair   draw.py         one random draw of it
    engine.py      functions of Tensors as such       compare.py      right, wrong, or at a kink
    diagnose.py    from a wrong gradient to its name  hypotheses/     the kinds of mistakes known
    properties.py  memory, chance, stale caches       source.py, trace.py   reading the forward's text
    nodes.py       every rule of a tape by itself     models.py       check_model
    repair.py, edits.py       the one edit that mends it   names.py   is it 1/B or 1/4?
    variables.py   which variable of backward is the first wrong one
    findings.py, message.py, picture.py   what is reported
    distributions.py   samplers' moments, KL against Monte Carlo
"""
from .distributions import check_kl, check_sampler
from .findings import Finding, GradientError, Passed
from .gradient import check_backward, check_grad
from .models import ModelReport, check_model
from .numeric import Slope, slope
