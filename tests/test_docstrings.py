"""What the public names say of themselves: formula, Shapes, Errors and Source, with the Shapes executed.

Ops and layers are in test_docs.py.  A section that a name does without is in ABSENT, with the reason in a word.
"""
import inspect
import re

import numpy as np
import pytest

import scratchnet as sn

SECTIONS = ("Formula", "Shapes", "Errors", "Source")
GROUPS = (sn.optim, sn.init)
ABSENT = {"Optimiser": {"Source": "base"}, "warm_up": {"Shapes": "numbers"}, "one_cycle": {"Shapes": "numbers"},
          "normal": {"Source": "definition"}}


def public(part) -> dict:
    """The classes and documented functions that the group defines, as docs/generate.py lists them."""
    return {n: v for n, v in vars(part).items() if n[0] != "_" and callable(v)
            and getattr(v, "__module__", "").startswith(part.__name__) and (inspect.isclass(v) or v.__doc__)}


NAMES = [pytest.param(thing, id=name) for part in GROUPS for name, thing in public(part).items()]


def section(thing, name: str) -> str:
    """The text of a section, in one line; the formula is a line or a sentence with an =, ← or ~ in it."""
    doc = inspect.cleandoc(thing.__doc__ or "")
    if name == "Formula":
        return " ".join(re.findall(r".*[=←~].*", re.split(r"^(?:Shapes|Errors|Source)  ", doc, maxsplit=1, flags=re.M)[0]))
    found = re.search(rf"(?:^|   ){name}:?\s+(.*?)(?=(?:^|   )(?:{'|'.join(SECTIONS)}|Units|Returns)(?::|\s\s)|^\S|\Z)", doc, re.S | re.M)
    return " ".join(found[1].split()) if found else ""


@pytest.mark.parametrize("thing", NAMES)
def test_every_public_name_has_its_sections(thing):
    missing = {s for s in SECTIONS if not section(thing, s)}
    assert missing == set(ABSENT.get(thing.__name__, {})), f"{thing.__name__}: missing or needlessly excused"


@pytest.mark.parametrize("kind", [sn.optim.SGD, sn.optim.RMSProp, sn.optim.Adam, sn.optim.AdamW])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5)], ids=str)
def test_the_shapes_of_every_optimiser_are_executed(kind, shape):
    names = re.match(r"θ, g, (.*) of one shape, any", section(kind, "Shapes"))[1]
    p = sn.Tensor(np.ones(shape, np.float32), requires_grad=True)
    optimiser = kind([p], lr=0.1)
    (p * p).sum().backward()
    optimiser.step()
    assert tuple(names.split(", ")) == kind.slots and p.shape == p.grad.shape == shape
    assert all(optimiser.memory[slot][0].shape == shape for slot in kind.slots)


@pytest.mark.parametrize("f", public(sn.init).values(), ids=lambda f: f.__name__)
def test_the_shapes_of_first_weights_are_executed(f):
    sizes = dict(D=3, M=4, F=5, C=2, K=6, L=7)
    stated = re.findall(r"(\([^)]*\)) → (\([^)]*\))", section(f, "Shapes"))
    assert len(stated) == 2
    for given, result in stated:
        y = f(eval(given, {}, sizes), *([0.1] if f is sn.init.normal else []))
        assert (y.shape if isinstance(y, np.ndarray) else y) == eval(result, {}, sizes)
