"""docs/diagnoses.md has every code that the checker can give (test_docs.py runs its examples)."""
import re
from pathlib import Path

import pytest

import scratchnet as sn

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/diagnoses.md").read_text()
PATTERN = r'(?:Claim\([^"]*?|Finding\([^"]*?(?:"[^"]*"|name), )"([A-Z_]{2,})"|\.code, .*? = .*?"([A-Z]{3,})"|code = "([A-Z]+)" if .* else "([A-Z]+)"'
CODES = sorted({code for file in (ROOT / "scratchnet/check").rglob("*.py")
                for match in re.findall(PATTERN, file.read_text()) for code in match if code})


def test_the_codes_are_found_in_the_source():
    assert len(CODES) >= 40 and {"RATIO", "SUBST", "DY", "PATHS", "EDIT", "KINK", "STALE", "UNKNOWN"} <= set(CODES), CODES


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code):
    assert f"**`{code}`**" in PAGE


def test_findings_are_data():
    with pytest.raises(sn.GradientError) as e:
        sn.check_backward(lambda x: x * x, lambda g, x: g * x, (sn.Tensor([1.0, 2.0, 3.0]).numpy(),))
    f, = e.value.findings
    assert (f.target, f.code, f.key) == ("x", "RATIO", f"RATIO:{f.detail}") and f.got.shape == f.right.shape == f.wrong.shape == (3,)
