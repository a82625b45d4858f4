"""The inspector's page: what is in it, and what a real browser makes of it."""
import base64
import json
import os
import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.autograd import toposort
from scratchnet.debug import Trace
from scratchnet.debug.terms import factors
from scratchnet.inspect.record import block, values_of
from scratchnet.inspect.shares import shares
from scratchnet.inspect.structure import TERMS, structure
from scratchnet.inspect.verdict import verdict
from scratchnet.models.gan import GAN
from scratchnet.models.gan_losses import GradientPenalty, wasserstein
from scratchnet.models.vae import VAE
from scratchnet.tensor import Leaf

from . import browser
from .conftest import for_all, size
from .op_cases import TABLE, cases, name_of

chromium = pytest.mark.skipif(browser.find() is None, reason="no Chromium: set CHROMIUM to one, or put it on the PATH")


def vae_loss(n=16, dtype=np.float32):
    images, _ = sn.data.load("digits", "test", first=16)
    model = VAE(rng=0).astype(dtype)
    return model, model.loss(images[:n].astype(dtype), rng=1).total


def wgan_loss(n=4):
    """The critic's loss with its penalty: a gradient inside the loss, so backward meets the rules of rules."""
    gan, rng = GAN(8, rng=0), np.random.default_rng(0)
    images, _ = sn.data.load("digits", "test", first=16)
    real, fake, critic = gan.real(images[:n]), gan(gan.noise(n, rng)).detach(), gan.discriminator
    return critic, wasserstein.discriminator(critic(real), critic(fake)) + GradientPenalty()(critic, real, fake, rng)


def traced(loss) -> Trace:
    trace = Trace(loss, targets=[node for node in toposort(loss._node) if isinstance(node, Leaf)])
    trace.finish()
    return trace


def data_of(path) -> dict:
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.S).group(1))


def numbers(entry) -> np.ndarray:
    raw = base64.b64decode(entry["data"])
    return np.frombuffer(raw, {"f4": "<f4", "u1": "u1", "i4": "<i4"}[entry["form"]]).reshape(entry["block"])


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: (path, loss)} of both pages."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, make in (("vae", vae_loss), ("wgan", wgan_loss)):
        model, loss = make()
        made[name] = sn.inspect(loss, folder / f"{name}.html"), loss, model
    return made


# ---- what is in the page --------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["vae", "wgan"])
def test_the_page_holds_the_pass_and_needs_nothing_else(pages, name):
    path, loss, model = pages[name]
    text = path.read_text()
    assert path.stat().st_size < 5e6 and "http" not in text and not re.search(r"<(script|link|img)[^>]+(src|href)=", text)
    data, trace = data_of(path), traced(loss)
    assert len(data["steps"]) == len(trace.steps)
    for shown, step in zip(data["steps"], trace.steps):
        assert data["nodes"][shown["node"]]["op"] == step.node.op.name and shown["input"] == step.name
        for key, array in (("g", step.g), ("out", step.out)):
            entry = data["arrays"][shown[key]]
            assert entry["shape"] == list(array.shape)
            part = array[tuple(slice(n) for n in entry["block"])]
            np.testing.assert_allclose(numbers(entry), part, rtol=1e-6)
        assert shown["check"]["ok"] is True, (step.node.where, shown["check"])
    assert data["wrong"] is None and data["start"] == 0
    assert all(p.grad is None for p in model.parameters()), "inspecting is not a backward pass"
    assert not loss._node.released


def test_the_learners_names_and_lines_are_on_the_page(pages):
    data = data_of(pages["vae"][0])
    names = {node["name"] for node in data["nodes"]}
    assert {"model.encoder.layers.0.w", "model.mu.b", "h", "model.encoder.layers.0(…)", "ops.exp(0.5 * logvar)"} <= names
    assert any("ops.bce_with_logits(self.decode(z)" in "".join(p["lines"]) for p in data["places"])
    rule = next(r for r in data["rules"] if r["name"] == "relu_dx")
    assert rule["lines"][rule["current"][0] - 1].endswith("return g * (y > 0)")


def test_what_the_learner_wrote_cannot_break_out_of_the_data(tmp_path):
    x = sn.Tensor(np.ones(2), requires_grad=True)
    loss = (x * 2.0).sum()                                     # </script><script>alert(1)</script>
    text = sn.inspect(loss, tmp_path / "page.html").read_text()
    assert "alert(1)" in text and "</script><script>alert" not in text


def test_large_arrays_come_in_whole_images_or_rows():
    assert block((16, 32, 28, 28), 20000) == [1, 32, 28, 28] and block((64, 64, 3, 3), 20000) == [64, 64, 3, 3]
    assert block((3136, 16), 4096) == [256, 16] and block((), 10) == [] and block((4, 10**6), 100) == [1, 100]


@pytest.mark.parametrize("loss, error, words", [
    (lambda: np.ones(2), TypeError, "loss is a ndarray, expected a Tensor"),
    (lambda: sn.Tensor([1.0], requires_grad=True), ValueError, "this tensor is a leaf"),
    (lambda: sn.Tensor([1.0]), RuntimeError, "depends on nothing with requires_grad"),
    (lambda: sn.Tensor([1.0, 2.0], requires_grad=True) * 2.0, ValueError, "so ∂L/∂y is not simply 1")])
def test_what_cannot_be_shown_is_refused_in_words(loss, error, words, tmp_path):
    with pytest.raises(error, match=words):
        sn.inspect(loss(), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


# ---- is each rule right, and which entries make which ---------------------------------------------

def steps_of(case):
    xs = [sn.Tensor(a, requires_grad=True) for a in case.arrays()]
    y = case.call(xs)
    trace = traced((y * np.random.default_rng(0).standard_normal(y.shape)).sum())
    return trace, [s for s in trace.steps if s.out.size and s.g.size]


@pytest.mark.parametrize("function", list(TABLE), ids=name_of)
def test_no_right_rule_is_called_wrong_and_every_structure_holds(function):
    def check(case):
        trace, steps = steps_of(case)
        known, rng = values_of(trace), np.random.default_rng(1)
        for step in steps:
            judged = verdict(trace, step, known, rng)
            assert judged["ok"] is not False, (case, step.node.op, step.name, judged)
            how, i = structure(trace, step), int(rng.integers(step.out.size))
            c = factors(step, trace.reads(step), np.unravel_index(i, step.out.shape)).ravel()
            expected = np.zeros_like(c)
            if how["kind"] == "one":
                source = how.get("from", i)
                expected[source if isinstance(source, int) else source.flat[i]] = np.broadcast_to(how["factor"], step.out.shape).flat[i]
            elif how["kind"] == "rows" and i in how["rows"] and np.count_nonzero(c) <= TERMS:      # of more, the page has the first
                for j, g, factor, _ in how["rows"][i]["terms"]:
                    expected[j] = factor
            else:
                continue
            np.testing.assert_allclose(expected, c, rtol=1e-9, atol=1e-12, err_msg=f"{case} {step.name}")
    for_all(cases(function, "distinct"), check, size(2, 30))


@sn.op
def cubed(x): return x ** 3
@cubed.vjp("x")
def cubed_dx(g, x): return g * 3.0 * x                        # wrong: x² belongs here


def test_a_wrong_rule_is_blamed_where_it_stands(tmp_path):
    x = sn.Tensor(np.array([0.5, -1.5, 2.0]), requires_grad=True)
    h = sn.tanh(x)
    loss = (sn.exp(cubed(h) * 0.5) * np.array([1.0, -2.0, 0.3])).sum()
    data = data_of(sn.inspect(loss, tmp_path / "page.html"))
    blamed = [data["nodes"][s["node"]]["op"] for s in data["steps"] if s["check"]["ok"] is False]
    assert blamed == ["cubed"] and data["start"] == data["wrong"] == 4


def test_shares_say_which_term_of_the_loss_a_gradient_comes_from(pages):
    data = data_of(pages["vae"][0])
    for step in data["steps"]:
        if step["shares"]:
            assert sum(share for _, share in step["shares"]) == pytest.approx(1, abs=1e-5)
    names = {name for step in data["steps"] for name, _ in step["shares"]}
    assert names == {"reconstruction * rec", "kl * div"}
    w = sn.Tensor(np.array([1.0]), requires_grad=True)
    trace = traced((w * 3.0 - (w * 1.0 + w * w)).sum() * 1.0)
    assert shares(trace, {}) == {}                             # not a sum at its end
    h = w * 2.0
    trace = traced((h * 3.0).sum() - ((h * h).sum() + h.sum()))            # ∂/∂h: 3, −2h = −4, −1: in all −2
    step = next(s for s in trace.steps if s.to is w._node)
    assert [share for _, share in shares(trace, {})[step.node, "a", None]] == [-1.5, 2.0, 0.5]


def test_the_error_mask_shows_where_a_rule_is_wrong(tmp_path):
    @sn.op
    def halved(x): return 0.5 * x
    @halved.vjp("x")
    def halved_dx(g, x_shape): return 0.5 * g * (np.arange(6.0) < 4)      # the last two are lost
    x = sn.Tensor(np.arange(6.0), requires_grad=True)
    data = data_of(sn.inspect((halved(x) * np.arange(1.0, 7.0)).sum(), tmp_path / "page.html"))
    check = data["steps"][data["wrong"]]["check"]
    assert numbers(data["arrays"][check["mask"]]).tolist() == [0, 0, 0, 0, 1, 1]


# ---- in a browser ---------------------------------------------------------------------------------

WALK = """(entries => entries.map((i, k) => {                   // move the slider to step k, point at entry i of out
    const slider = document.getElementById('slider');
    slider.value = k;
    slider.dispatchEvent(new Event('input'));
    const text = id => document.getElementById(id).textContent, out = views[0], index = unflat(i, out.a.shape);
    if (out.a.size) { out.turn(out.pageOf(index)); out.point(index); }
    const p = document.querySelector('#sum p');
    return [text('heading'), text('count'), Number(p.dataset.sum), Number(p.dataset.away), p.textContent, views.find(v => v.role === 'g').lit.length];
}))"""


@chromium
@pytest.mark.parametrize("name, dark", [("vae", False), ("wgan", True)])
def test_in_chromium_from_disk_without_a_network(pages, name, dark, tmp_path):
    path, loss, _ = pages[name]
    steps, rng = traced(loss).steps, np.random.default_rng(0)
    with browser.Browser(tmp_path, dark) as page:
        page.open(path)
        passed, worked = page.ready_after()
        assert worked < 2, f"ready after {worked} s of work"
        assert passed < 2 or os.getloadavg()[0] > os.cpu_count(), f"ready after {passed} s"      # other programs make it wait
        assert page.run("document.documentElement.dataset.theme") == ("dark" if dark else "light")
        entries = [int(rng.integers(min(step.out.size, 80))) for step in steps]
        for k, (step, i, shown) in enumerate(zip(steps, entries, page.run(f"{WALK}({entries})"), strict=True)):
            assert shown[0].startswith(f"{step.node.op.name}: ∂L/∂{step.name}") and shown[1] == f"step {k + 1} of {len(steps)}"
            check_sum(*shown[2:], step, i)
        shot = page.screenshot(tmp_path / "page.png").read_bytes()
        assert len(shot) > 50_000 and len(set(shot[-5000:])) > 200, "a picture of a page, not of nothing"
        assert page.errors == [] and page.requests == [path.resolve().as_uri()]


def check_sum(total, away, text, lit, step, i):
    """The sum on the page is the entry of the gradient, and entries of g light up where there are terms."""
    value, where = float(step.out.flat[i]), (step.node.where, step.name, text)
    if " term" not in text:
        assert value == 0, where
    else:
        assert lit > 0, where
        assert away or abs(total - value) <= 2e-5 * max(abs(value), 1e-3 * float(np.abs(step.out).max())), where


@chromium
def test_keys_clicks_and_the_pointer(pages, tmp_path):
    with browser.Browser(tmp_path) as page:
        page.open(pages["vae"][0])
        step = lambda: page.run("current")                     # noqa: E731
        page.press("ArrowRight"), page.press("ArrowRight"), page.press("ArrowLeft")
        assert step() == 1
        page.press("End")
        assert step() == 47 and page.run("location.hash") == "#48"
        page.press("Home"), page.press("t")
        assert step() == 0 and page.run("document.documentElement.dataset.theme") == "dark"
        page.click("#next")
        assert step() == 1
        relu = page.run("DATA.nodes.findIndex(n => n.op === 'relu')")
        page.click(f"#graph g[data-node='{relu}']")
        assert page.run("document.getElementById('heading').textContent").startswith("relu: ∂L/∂x")
        x, y = page.run("(c => { c.scrollIntoView({block: 'center'}); const r = c.getBoundingClientRect(); return [r.x, r.y]; })(views[0].canvas)")
        page.move(x + 3.5 * page.run("views[0].px"), y + 2.5 * page.run("views[0].px"))
        assert page.run("document.getElementById('tip').textContent").startswith("[0, 0, 2, 3]")
        assert "∂L/∂x[0, 0, 2, 3]" in page.run("document.getElementById('sum').textContent")
        page.run("views[0].canvas.focus()")
        before = step()
        page.press("ArrowDown")
        assert step() == before and page.run("String(views[0].cursor)") == "0,0,3,3"
        page.click(".view.out .pick button")
        assert page.run("document.querySelectorAll('.view.out table td').length") > 100
        assert page.errors == []


@chromium
def test_the_page_opens_at_the_first_wrong_rule(tmp_path):
    x = sn.Tensor(np.array([0.5, -1.5, 2.0]), requires_grad=True)
    path = sn.inspect((cubed(sn.tanh(x)) * np.array([1.0, -2.0, 0.3])).sum(), tmp_path / "page.html")
    with browser.Browser(tmp_path) as page:
        page.open(path)
        assert page.run("document.getElementById('heading').textContent").startswith("cubed: ∂L/∂x")
        assert page.run("document.getElementById('check').textContent").startswith("✗ this rule is wrong")
        page.press("End"), page.press("w")
        assert page.run("document.getElementById('heading').textContent").startswith("cubed") and page.errors == []
