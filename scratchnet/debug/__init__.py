"""Watch the real backward pass: step through it (step), ask why one number is what it is (explain).

    trace.py     the steps of one pass, run when they are asked for: drives autograd.backward_steps
    source.py    where an operation was written, and what its author called the result
    terms.py     explain: one entry of a gradient as the sum it is
    show.py      arrays, source lines and colours for a terminal
    view.py      one step as text
    stepper.py   step: the commands
"""
from .stepper import step
from .terms import explain
from .trace import Trace
