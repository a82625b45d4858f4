"""Slopes by measurement: the only arbiter of a gradient that does not trust its derivation.

    (φ(+h) − φ(−h)) / 2h  =  φ'(0) + h²·φ'''/6 + O(h⁴)              central difference
    (4·D(h/2) − D(h)) / 3 =  φ'(0) + O(h⁴)                          Richardson: cancels the h² term
At a kink (ReLU at 0) the slopes from the left and from the right differ, and anything between them is
a valid subgradient: `slope` returns both ends.
Source  Ridders 1982, "Accurate computation of F'(x)"; Baydin et al. 2018, §2.1 (truncation and round-off).
"""
from __future__ import annotations

from typing import Callable, NamedTuple

H = 1e-3                                        # truncation h⁴ and round-off 1e-16/h both near 1e-12


class Slope(NamedTuple):
    """The slope lies in [low, high]; one value, up to round-off, where φ is smooth."""
    low: float
    high: float
    kink: bool = False


def slope(phi: Callable[[float], float], scale: float = 1.0) -> Slope:
    """dφ/dt at t = 0.  scale: the size that the values of φ have, to judge round-off by."""
    middle, ahead, behind = phi(0.0), (phi(H), phi(H / 2)), (phi(-H), phi(-H / 2))
    coarse, fine = (ahead[0] - behind[0]) / (2 * H), (ahead[1] - behind[1]) / H
    jumps = [abs(ahead[i] - 2 * middle + behind[i]) / h for i, h in enumerate((H, H / 2))]     # right minus left slope
    d = (4 * fine - coarse) / 3
    even = abs(coarse - fine) <= 1e-4 * max(abs(fine), 1e-3 * scale)
    if even and jumps[1] <= 0.75 * jumps[0] + 1e-9 * scale:    # h·φ'' where smooth, so it halves with h
        return Slope(d, d)
    ends = []                                   # a kink is near: look at each side by itself
    for side in (-1.0, 1.0):
        one, two = ((phi(side * h) - middle) / (side * h) for h in (1e-6, 5e-7))
        ends.append(2 * two - one)              # cancels the h term of a one-sided difference
    low, high = min(ends), max(ends)
    if high - low <= 1e-3 * max(abs(low), abs(high), 1e-3 * scale):
        return Slope(d, d) if low - 1e-3 <= d <= high + 1e-3 else Slope(low, high)
    return Slope(low, high, kink=True)
