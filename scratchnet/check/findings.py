"""What a check reports: findings, as data and as the error that carries them."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

import numpy as np


@dataclass
class Finding:
    """One mistake.

    target   the input whose gradient is wrong, by name; "*" for the whole backward
    code     the kind of mistake, as in docs/diagnoses.md; detail: which one ("1/B", "w flipped (-2, -1)")
    text     one sentence about it
    others   other readings that hold as well, "CODE:detail"
    got, right, wrong   the gradient that came back, the measured one, the mask of entries that differ
    """
    target: str
    code: str
    detail: str
    text: str
    others: list[str] = field(default_factory=list)
    got: np.ndarray | None = None
    right: np.ndarray | None = None
    wrong: np.ndarray | None = None
    where: str = ""                             # source line, where one node of a model is meant
    draws: int = 0
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.code}:{self.detail}" if self.detail else self.code

    def __str__(self):
        from .message import paragraph
        return paragraph(self)


class GradientError(AssertionError):
    """A gradient is not the slope it claims to be.  `findings` holds every mistake that was found."""

    def __init__(self, findings: Sequence[Finding]):
        self.findings = list(findings)
        super().__init__("\n".join(map(str, self.findings)))


class Passed(float):
    """The largest relative error of a check that found nothing wrong; `notes` say what is worth knowing."""
    notes: list[str]

    def __new__(cls, error: float, notes: Sequence[str] = ()):
        self = super().__new__(cls, error)
        self.notes = list(dict.fromkeys(notes))
        return self
