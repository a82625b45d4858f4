"""The documentation is true: its code runs and prints what it says, its links lead somewhere."""
import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.op import Op

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_code_blocks_run_and_print_what_they_say(page):
    """Blocks of a page run in order, as one program; `print(…)  # → text` must print that text."""
    scope, text = {"__name__": f"docs_{page.stem}"}, page.read_text()
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.S | re.M):
        block, above = found.group(1), text.count("\n", 0, found.start(1))
        with contextlib.redirect_stdout(io.StringIO()) as out:             # at its lines in the page, which has its source
            exec(compile("\n" * above + block, str(page), "exec"), scope)
        assert out.getvalue().splitlines() == [m.strip() for m in re.findall(r"# → (.*)", block)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_gives_the_commands_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    commands = re.findall(r"^```sh\n(.*?)\n```", readme, re.S | re.M)
    assert len(commands) == 2 and "python examples/05_vae.py" in commands[0] and commands[1] in ci


@pytest.fixture(scope="module")
def generate():
    """docs/generate.py, as the site imports it."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        yield importlib.import_module("generate")
    finally:
        sys.path.remove(str(ROOT / "docs"))


def test_generated_pages_are_what_the_sources_say(generate, capsys):
    assert generate.main(check=True) == 0, capsys.readouterr().out + "run: python docs/generate.py"


def test_an_example_without_a_picture_fails_the_build(generate):
    with pytest.raises(ValueError, match=r"17_new.py has no picture docs/images/17_new.png"):
        generate.picture(Path("17_new.py"))


@pytest.mark.parametrize("heading", ["Formula", "Derivation", "Shapes", "Errors", "Source", "Example"])
def test_every_card_has_its_sections(heading):
    for page in set(ROOT.glob("docs/cards/*.md")) - {ROOT / "docs/cards/README.md", ROOT / "docs/cards/index.md"}:
        assert f"\n## {heading}\n" in page.read_text(), f"{page.name} has no {heading}"


def test_an_op_without_an_example_or_with_wrong_shapes_fails_the_build(generate, monkeypatch):
    monkeypatch.setattr(Op, "registry", dict(Op.registry))
    scope = {"sn": sn, "__name__": "scratchnet.ops.elementwise"}
    exec("@sn.op\ndef brand_new(x):\n    'y = x'\n    return x", scope)
    with pytest.raises(ValueError, match="'brand_new' has no worked example"):
        generate.pages()
    cards = sys.modules["cards"]
    wrong = cards.EXAMPLES["dense"]._replace(shapes="x (N,D), w (D,M), b (M,) → (N,D)")
    with pytest.raises(ValueError, match=r"dense: .*\(N,D\) says"):
        cards.example_code(Op.registry["scratchnet.ops.matmul", "dense"], wrong)


def test_lines_that_links_name_are_where_the_code_is():
    """cards/conv2d_weight.md leads to the very line that computes dW."""
    page = ROOT / "docs/cards/conv2d_weight.md"
    target, line = re.search(r"\| `conv_dw` \| \[[^]]*\]\(([^)#]+)#L(\d+)\)", page.read_text()).groups()
    lines = (page.parent / target).read_text().splitlines()
    assert any("def conv_dw(" in text for text in lines[int(line) - 1:int(line) + 1])
    assert "cards/conv2d_weight.md" in (ROOT / "docs/README.md").read_text()


@pytest.mark.full
def test_the_site_builds_without_a_warning(tmp_path):
    for part in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(part)
    done = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert '"L-10"' in (tmp_path / "source/scratchnet/ops/conv_kernels.py.html").read_text()


def test_every_example_is_on_the_map():
    page = (ROOT / "docs/README.md").read_text()
    for script in ROOT.glob("examples/*.py"):
        assert script.name in page


def test_every_module_is_on_the_map():
    page = (ROOT / "docs/README.md").read_text()
    for module in ROOT.glob("scratchnet/*.py"):
        assert module.name in page or module.stem in ("__init__", "rng")


L = sn.layers
LAYERS = ((L.Dense(3, 4), (2, 3)), (L.Conv2d(3, 4, 2), (2, 3, 6, 5)), (L.ConvTranspose2d(3, 4, 2), (2, 3, 6, 5)),
          (L.BatchNorm(3), (2, 3, 6, 5)), (L.Dropout(), (2, 3)), (L.ReLU(), (2, 3)), (L.LeakyReLU(), (2, 3)), (L.Sigmoid(), (2, 3)),
          (L.Tanh(), (2, 3)), (L.Flatten(), (2, 3, 6, 5)), (L.Reshape(2, 3), (4, 6)), (L.MaxPool2d(2), (2, 3, 6, 4)),
          (L.AvgPool2d(2), (2, 3, 6, 4)))


@pytest.mark.parametrize("layer, shape", LAYERS, ids=lambda v: type(v).__name__ if isinstance(v, L.Layer) else None)
def test_the_shapes_of_every_layer_are_executed(layer, shape):
    """Each letter is one length, in the input, the parameters and the output."""
    left, right = re.search(r"Shapes  (.*?) → (\([^)]*\))", type(layer).__doc__).groups()
    arrays = {"x": shape, **{n: t.shape for n, t in layer.members() if isinstance(t, sn.Tensor)}}
    sizes = {"shape": getattr(layer, "shape", ())}
    y = layer(np.ones(shape, np.float32)).shape
    for name, letters in re.findall(r"(\w+) \(([^)]*)\)", left):
        for letter, n in zip(letters.strip(",").split(","), arrays[name], strict=True):
            assert sizes.setdefault(letter, n) == n, (name, letters)
    terms = right[1:-1].split(",")
    free = [term for term in terms if term.isalpha() and term not in sizes]                       # I, J: decided by the filter
    sizes.update({term: y[terms.index(term)] for term in free})
    assert eval(right, {}, sizes) == y and set(free) <= set("HWIJ")


def test_no_layer_is_left_out():
    made = {type(layer) for layer, _ in LAYERS} | {L.Layer, L.Sequential, L.SpectralNorm}
    assert made >= {c for c in vars(L).values() if isinstance(c, type) and issubclass(c, L.Layer)}


@pytest.mark.parametrize("op", Op.registry.values(), ids=lambda o: o.name)
def test_every_op_states_its_formula_and_its_file_the_derivation(op):
    if op.__module__.startswith("scratchnet."):
        assert op.__doc__ and "=" in op.__doc__, f"{op.name} has no formula in its docstring"
        module = Path(sn.__file__).parent.parent / (op.__module__.replace(".", "/") + ".py")
        head = module.read_text().split('"""')[1]
        assert "Source" in head and ("Derivation" in head or "derived" in head or "Derivation" in op.__doc__
                                     or "∂" in op.__doc__), f"{module} derives nothing"
