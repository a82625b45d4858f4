"""Is this gradient right?  numeric.py measures slopes, gradient.py compares and reports."""
from .gradient import Finding, GradientError, check_backward, check_grad
from .numeric import slope
