"""The step-through: its numbers are backward's own, its commands, pipes and a real terminal."""
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.debug import Trace
from scratchnet.debug.show import Paint
from scratchnet.debug.source import names, place
from scratchnet.models.vae import VAE

ROOT = Path(__file__).parent.parent
SCRIPT = """import numpy as np
import scratchnet as sn
x = np.arange(6.0).reshape(3, 2) - 2
w = sn.Tensor(np.array([[-1.0], [1.0]]), requires_grad=True)
h = sn.relu(x @ w)
loss = (h * h).mean() + 0.5 * (w * w).sum()
sn.step(loss)
print("GRAD", w.grad.tolist())
"""


def vae_loss(n=4):
    rng = np.random.default_rng(0)
    model = VAE(rng=0).astype(np.float64)
    return model, model.loss(rng.random((n, 1, 28, 28)), rng.standard_normal((n, 2))).total


def small():
    x = np.random.default_rng(0).standard_normal((5, 3))
    w = sn.Tensor(np.random.default_rng(1).standard_normal((3, 2)), requires_grad=True)
    b = sn.Tensor(np.zeros(2), requires_grad=True)
    h = sn.tanh(sn.dense(x, w, b))
    loss = (h * h).sum() + (w * w).sum()
    return w, b, loss


# ---- one engine ---------------------------------------------------------------------------------

def test_every_step_of_the_vae_has_the_numbers_of_backward():
    model, loss = vae_loss()
    reference = {}                                             # what backward's own walk yields
    for step in sn.backward_steps(loss, retain_graph=True):
        reference[step.node, step.name, step.position] = step.g.copy(), step.out.copy(), step.total.copy()
    expected = [p.grad for p in model.parameters()]
    model.zero_grad()
    trace = Trace(loss)
    assert len(trace) == len(reference) == len(trace.finish())
    for step in trace.steps:
        for ours, theirs in zip((step.g, step.out, step.total), reference[step.node, step.name, step.position]):
            np.testing.assert_array_equal(ours, theirs)
    for p, g in zip(model.parameters(), expected):
        np.testing.assert_array_equal(p.grad, g)


@pytest.mark.parametrize("commands", [[], ["next", "back", "quit"], ["run"], ["jump 9", "replay g = 0", "jump 2", "why", "open 0"]])
def test_however_it_is_left_the_gradients_and_the_graph_are_as_after_backward(commands, capsys):
    model, loss = vae_loss()
    loss.backward()
    expected = [p.grad for p in model.parameters()]
    model, loss = vae_loss()
    sn.step(loss, commands=commands)
    for p, g in zip(model.parameters(), expected):
        np.testing.assert_array_equal(p.grad, g)
    with pytest.raises(RuntimeError, match="already went through"):
        loss.backward()


def test_gradients_add_up_over_passes_and_retain_graph_keeps_the_graph(capsys):
    w, b, loss = small()
    sn.step(loss, retain_graph=True, commands=["run"])
    once = w.grad.copy()
    sn.step(loss, commands=["run w"])
    np.testing.assert_array_equal(w.grad, 2 * once)
    assert re.search(r"w\.grad held norm \d", capsys.readouterr().out)


def test_backward_steps_is_the_pass_and_says_where_each_share_goes():
    w, b, loss = small()
    steps = list(sn.backward_steps(loss))
    arrived = [s for s in steps if s.to is w._node]
    assert [s.name for s in arrived] == ["a", "b", "w"]         # w * w counts twice
    np.testing.assert_array_equal(arrived[-1].total, w.grad)
    np.testing.assert_allclose(sum(s.out for s in arrived), w.grad, rtol=1e-14)


def test_a_pass_to_some_targets_touches_no_grad_and_runs_no_other_rule():
    w, b, loss = small()
    trace = Trace(loss, targets=[b._node])
    assert {s.to for s in trace.finish()} & {w._node, b._node} == {b._node} and len(trace.steps) == len(trace)
    assert w.grad is None and b.grad is None


# ---- names and places ---------------------------------------------------------------------------

def test_values_have_the_names_the_learner_gave_them():
    a = sn.Tensor(np.ones(3), requires_grad=True)
    kept = [a * 2.0]
    z = a + sn.exp(0.5 * a) * 3.0
    total = (z * kept[0]).sum()
    trace = Trace(total, targets=[a._node])
    called = names(trace.order, sys._getframe())
    by_op = {(node.op.name, called.get(node)) for node in trace.order if node is not a._node}
    assert called[a._node] == "a"
    assert {("sum", "total"), ("add", "z"), ("mul", "kept.0"), ("exp", "sn.exp(0.5 * a)"), ("mul", "z * kept[0]")} <= by_op


def test_the_forward_line_marks_the_expression_of_each_op():
    a = sn.Tensor(np.ones(3), requires_grad=True)
    total = (sn.tanh(a) *
             a).sum()
    marked = [where.text[where.start:where.end] for where in (place(node) for node in Trace(total, targets=[a._node]).order[:3])]
    if sys.version_info >= (3, 11):
        assert marked[0].startswith("(sn.tanh(a) *") and marked[0].endswith(".sum()") and marked[2] == "sn.tanh(a)"
    assert Path(place(total._node).file).name == "test_debug.py"


def test_code_without_a_file_still_steps(capsys):
    scope = {"sn": sn, "np": np}
    exec("t = sn.Tensor([1.0, 2.0], requires_grad=True)\nloss = (t * t).sum()\nsn.step(loss, commands=['run'])", scope)
    assert scope["t"].grad.tolist() == [2, 4] and "which cannot be read" in capsys.readouterr().out


# ---- commands -----------------------------------------------------------------------------------

def run(commands, capsys, loss=None):
    w, b, fresh = small()
    sn.step(fresh if loss is None else loss, commands=commands)
    return capsys.readouterr().out


@pytest.mark.parametrize("command, shown", [
    ("next", "step 2 of 11"), ("", "step 2 of 11"), ("jump 5", "step 5 of 11"), ("jump w", "= ∂L/∂(w)"), ("jump tanh", "tanh: ∂L/∂x"),
    ("run", "step 11 of 11"), ("run w", "∂L/∂(w) so far"), ("run nan", "step 11 of 11"), ("list", ">   1  add: ∂L/∂a"),
    ("help", "replay x[0, 1] = 3"), ("values out", "+1\n1.\n"), ("back", "this is the first rule"), ("jump 99", "there are steps 1 to 11"),
    ("jump nonsense", "no step ahead for 'nonsense'; there are the ops add, dense, mul, sum, tanh and the values"), ("dance", "'dance' is not a command"),
    ("values z", "values of what?  There are a_shape, g, out, total"), ("open 0", "first  why"), ("up", "nothing has been opened"),
    ("replay", "replay NAME = VALUE"), ("replay g = 1 +", "SyntaxError"), ("why 5, 5", "why: index (5, 5) for a gradient of shape ()")])
def test_a_command_answers(command, shown, capsys):
    assert shown in run([command], capsys)


def test_a_step_shows_line_formula_rule_numbers_and_the_sum(capsys):
    out = run(["run h", "next", "run tanh"], capsys)
    for text in ("h = sn.tanh(sn.dense(x, w, b))", "y = tanh x.    y' = 1 − y²", "def tanh_dx(g, y): return g * (1.0 - y * y)",
                 "upstream  g = ∂L/∂y   float64 (5, 2)", "local     ∂y/∂x[", "outgoing  ∂L/∂x", "test_debug.py:"):
        assert text in out, text
    assert "2 of 2 uses" in out and "\033[" not in out           # h * h: both shares of h; no colours in a file


def test_replay_runs_the_rule_on_the_edited_number_and_leaves_the_pass_alone(capsys):
    w, b, loss = small()
    sn.step(loss, commands=["jump tanh", "replay y[0, 0] = 1", "replay g = np.zeros((5, 2))", "values out"])
    out = capsys.readouterr().out
    assert "1 of 10 entries" in out and "10 of 10 entries" in out
    expected = w.grad
    w, b, loss = small()
    loss.backward()
    np.testing.assert_array_equal(w.grad, expected)


def test_an_error_in_a_rule_is_shown_at_its_step_and_raised_on_leaving(capsys):
    @sn.op
    def twice(x): return 2 * x
    @twice.vjp("x")
    def twice_dx(g): return (2.0 * g)[:1]
    t = sn.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="the rule for 'x' returned"):
        sn.step(twice(t).sum(), commands=["next", "next", "back", "quit"])
    out = capsys.readouterr().out
    assert "step 2 of 2   twice" in out and "the rule failed: ValueError" in out and "step 1 of 2   sum" in out


def test_run_nan_stops_at_the_rule_that_made_it(capsys):
    t = sn.Tensor(np.array([0.0, 4.0]), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        sn.step((sn.sqrt(t) * np.array([0.0, 1.0])).sum(), commands=["run nan"])
    out = capsys.readouterr().out
    assert "step 3 of 3   sqrt: ∂L/∂x" in out and "NaN 1" in out


@pytest.mark.parametrize("loss, error, words", [
    (np.ones(2), TypeError, "loss is a ndarray, expected a Tensor"),
    (sn.Tensor([1.0]), RuntimeError, "depends on nothing with requires_grad"),
    (sn.Tensor([1.0, 2.0], requires_grad=True) * 2.0, ValueError, "so ∂L/∂y is not simply 1")])
def test_what_cannot_be_stepped_is_refused_in_words(loss, error, words):
    with pytest.raises(error, match=words):
        sn.step(loss, commands=[])


# ---- pipes and terminals ------------------------------------------------------------------------

def environment(**more):
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", **more}


def gradient(text: str) -> str:
    return text[text.index("GRAD"):].split("\n")[0].strip()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("step") / "script.py"
    path.write_text(SCRIPT)
    return path


def in_a_terminal(script, commands, **env) -> str:
    """Type the commands at a pty, one after each prompt, and return all that appeared."""
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, script], stdin=slave, stdout=slave, stderr=slave, env=environment(**env), close_fds=True)
    os.close(slave)
    seen, typed, deadline = b"", 0, time.time() + 60
    while time.time() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:                                    # the other end is closed: the program has ended
                break
            if not piece:
                break
            seen += piece
        if seen.count(b"\n> ") > typed and typed < len(commands):
            os.write(master, commands[typed].encode() + b"\n")
            typed += 1
    process.wait(timeout=10)
    os.close(master)
    assert process.returncode == 0 and typed == len(commands), seen.decode()
    return seen.decode().replace("\r\n", "\n")


def test_in_a_terminal(script):
    seen = in_a_terminal(script, ["next", "run w", "jump relu", "why", "open 0", "back", "quit"])
    for text in ("\033[36msn.relu(x @ w)\033[0m", "step 2 of 11", "= ∂L/∂(w)", "w.grad was None", "1 term by", "GRAD [["):
        assert text in seen


@pytest.mark.parametrize("terminal, env, colours", [
    (True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)])
def test_colours_only_where_they_are_wanted(terminal, env, colours, monkeypatch):
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **env}.items():
        monkeypatch.setenv(name, value)

    class Stream:
        isatty = staticmethod(lambda: terminal)
    assert (Paint(Stream()).bold("x") != "x") is colours


def test_through_pipes_and_at_the_end_of_the_input(script):
    scope = {}
    exec(SCRIPT.replace("sn.step(loss)", "loss.backward()").rpartition("print")[0], scope)
    done = subprocess.run([sys.executable, script], input="next\njump relu\n", capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert gradient(done.stdout) == f"GRAD {scope['w'].grad.tolist()}" and "\033" not in done.stdout
    assert "h = sn.relu(x @ w)" in done.stdout
