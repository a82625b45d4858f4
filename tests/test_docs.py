"""The documentation is true: its code runs and prints what it says, its links lead somewhere."""
import contextlib
import io
import re
from pathlib import Path

import pytest

import scratchnet as sn
from scratchnet.op import Op

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_code_blocks_run_and_print_what_they_say(page):
    """Blocks of a page run in order, as one program; `print(…)  # → text` must print that text."""
    scope = {"__name__": f"docs_{page.stem}"}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, str(page), "exec"), scope)
        assert out.getvalue().splitlines() == [m.strip() for m in re.findall(r"# → (.*)", block)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_gives_the_commands_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    commands = re.findall(r"^```sh\n(.*?)\n```", readme, re.S | re.M)
    assert len(commands) == 2 and "python examples/05_vae.py" in commands[0] and commands[1] in ci


def test_every_example_is_on_the_map():
    page = (ROOT / "docs/README.md").read_text()
    for script in ROOT.glob("examples/*.py"):
        assert script.name in page


def test_every_module_is_on_the_map():
    page = (ROOT / "docs/README.md").read_text()
    for module in ROOT.glob("scratchnet/*.py"):
        assert module.name in page or module.stem in ("__init__", "rng")


@pytest.mark.parametrize("op", Op.registry.values(), ids=lambda o: o.name)
def test_every_op_states_its_formula_and_its_file_the_derivation(op):
    if op.__module__.startswith("scratchnet."):
        assert op.__doc__ and "=" in op.__doc__, f"{op.name} has no formula in its docstring"
        module = Path(sn.__file__).parent.parent / (op.__module__.replace(".", "/") + ".py")
        head = module.read_text().split('"""')[1]
        assert "Source" in head and ("Derivation" in head or "derived" in head or "Derivation" in op.__doc__
                                     or "∂" in op.__doc__), f"{module} derives nothing"
