"""Whatever is in the learner's file, a sentence comes back, and never a traceback into our code (X2)."""
import json
from pathlib import Path

import pytest

from scratchnet.exercises import worker
from scratchnet.exercises.exercise import Exercise, edited, find
from scratchnet.exercises.feedback import as_json, told
from scratchnet.exercises.judging import Finding
from scratchnet.exercises.runner import Runner, Verdict

SCALAR, DENSE = find("numeric_derivative"), find("dense_backward")
LINE = SCALAR.stub[:SCALAR.stub.index("raise")].count("\n") + 1
BODY = "    raise NotImplementedError\n    # <<<\n\n\ndef order"          # of its first hole


@pytest.fixture(scope="module")
def runner():
    with Runner(limit=0.5) as r:
        yield r


def body(code: str) -> str:
    """The exercise's file with this as the body of its first function."""
    return SCALAR.stub.replace(BODY, f"    {code}\n    # <<<\n\n\ndef order")


FAULTS = {
    "not begun": (SCALAR.stub, "UNFINISHED", f"line {LINE} is still to be written"),
    "syntax error": (body("return (f(x + h"), "SYNTAX", f"line {LINE} is not Python: '(' was never closed"),
    "bad indentation": (body("y = 1\n  return y"), "SYNTAX", "is not Python: unindent"),
    "null byte": (body("return 1\0"), "SYNTAX", "null byte"),
    "not text": (b"\xff\xfe\x00 caf\xe9", "SYNTAX", "is not saved as UTF-8"),
    "UTF-16": (SCALAR.answer.encode("utf-16"), "SYNTAX", "choose UTF-8 in your editor"),
    "Latin-1": ("name = 'd\xe9riv\xe9e'\n".encode("latin-1"), "SYNTAX", "is not saved as UTF-8"),
    "empty file": ("", "GONE", "the file defines no slope; it must keep the name it had (def slope(f, x, h))"),
    "a file of something else": ("import math\nprint(math.pi)\n", "GONE", "defines no slope"),
    "a variable of that name": (SCALAR.stub + "\nslope = 3\n", "GONE", "slope is a int, it must stay a function"),
    "changed signature": (SCALAR.stub.replace("def slope(f, x, h)", "def slope(f, x)"), "SIGNATURE",
                          "slope takes other arguments than it should: it must stay  def slope(f, x, h)"),
    "None returned": (body("y = f(x)"), "NONE", "slope returned None: is a return missing at its end?"),
    "a string": (body("return '12'*2"), "VALUE", "expected"),              # numbers in quotes are numbers, wrong ones
    "a word": (body("return 'twelve'"), "TYPE", "slope is a str, expected numbers"),
    "wrong shape": (body("return [f(x), f(x)]"), "SHAPE", "slope has shape (2,), expected ()"),
    "error": (body("y = f(x)\n    return y.slope"), "ERROR",
              f"line {LINE + 1}, in slope:  return y.slope\nAttributeError: "),
    "unknown name": (body("return (f(x + dx) - f(x)) / dx"), "ERROR", "NameError: name 'dx' is not defined"),
    "missing module": ("import torchvision_of_mine\n" + SCALAR.stub, "ERROR",
                       "line 1:  import torchvision_of_mine\nModuleNotFoundError"),
    "endless loop": (body("while True: pass"), "TIMEOUT", "was stopped after 0.5 seconds: is there a loop without end?"),
    "endless output": (body("while True: print('hello')"), "FLOOD",
                       "printed more than 200 thousand characters and was stopped"),
    "endless recursion": (body("return slope(f, x, h)"), "RECURSION", f"line {LINE} calls itself without end"),
    "exit": (body("raise SystemExit(0)"), "EXIT", f"line {LINE} calls exit"),
    "exit at the top": ("import sys\nsys.exit()\n", "EXIT", "line 2 calls exit"),
    "hard exit": (body("import os; os._exit(3)"), "DIED", "ended Python itself, with exit code 3"),
    "killed": (body("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), "DIED", "by signal SIGKILL"),
    "input": (body("return float(input('slope? '))"), "INPUT", f"line {LINE} waits for input()"),
    "too much memory": (body("import numpy as np; return np.ones(10 ** 12)"), "MEMORY",
                        "asked for more memory than there is"),
    "interrupt": (body("raise KeyboardInterrupt"), "ERROR", "KeyboardInterrupt"),
}


OUTSIDE = {"endless loop", "endless output", "hard exit", "killed", "too much memory", "input"}       # not in this process
QUICK = {"endless loop", "hard exit"}           # of these, in the quick tier


def right_sentence(verdict: Verdict, code: str, words: str) -> bool:
    assert verdict.status in ("wrong", "unfinished") and verdict.findings[0].code == code, verdict
    text = told(verdict, 0)
    assert "Traceback" not in text and "scratchnet/" not in text
    assert json.loads(json.dumps(as_json(verdict, 0)))["findings"][0]["code"] == code
    return words in verdict.findings[0].text


@pytest.mark.parametrize("fault", [pytest.param(f, marks=() if f in QUICK else pytest.mark.full) for f in FAULTS])
def test_every_fault_gets_a_sentence(fault, tmp_path, runner):
    """In a process of its own, as the runner does it."""
    content, code, words = FAULTS[fault]
    path = tmp_path / SCALAR.filename
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert right_sentence(runner.run(SCALAR, path, again=True), code, words)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in OUTSIDE])
def test_every_fault_gets_the_same_sentence_here(fault, tmp_path):
    content, code, words = FAULTS[fault]
    assert right_sentence(judged(SCALAR, content, tmp_path), code, words)


def judged(one: Exercise, content: str | bytes, folder: Path) -> Verdict:
    """The verdict of the judge in this process."""
    path = folder / one.filename
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = worker.run(one, path)
    return Verdict(one, path, result["status"], [Finding(**f) for f in result["findings"]], "", 0.0)


SOLVED = "    dx = g @ w.T\n    dw = x.T @ g\n    db = g.sum(axis=0)\n"


@pytest.mark.parametrize("lines, code, words", [
    ("    dx = np.zeros(3).slope\n", "ERROR", "in dense_backward:  dx = np.zeros(3).slope\nAttributeError: "),
    ("    dw = dx\n    dx = 1\n", "ERROR", "UnboundLocalError: "),
    ("    return dense_backward(g, x, w)\n", "RECURSION", "calls itself without end"),
    ("    dx = g @ np.zeros((99, 99))\n", "CRASH", "backward raised ValueError: matmul"),
    (SOLVED + "    class Odd(Exception):\n        def __str__(self): return 1 / 0\n    raise Odd\n", "ERROR", "in __str__"),
    (SOLVED + "    g *= 2\n", "MUTATES", "backward changes the incoming gradient in place"),
    (SOLVED + "    return {'dx': dx}\n", "RESULTS", "dense_backward returned one dict, expected 3 results: dx, dw, db"),
    (SOLVED + "    yield dx\n", "RESULTS", "dense_backward returned one generator")])
def test_errors_below_the_gradient_checker(lines, code, words, tmp_path):
    """Sizes that do not fit are the checker's to explain; any other error is named at its line, as everywhere."""
    assert right_sentence(judged(DENSE, edited(DENSE.answer, SOLVED, lines), tmp_path), code, words)


def test_the_gradient_that_arrives_is_called_g_as_in_the_text(tmp_path):
    found = judged(DENSE, edited(DENSE.answer, SOLVED, "    dx, dw, db = x.T @ g, g @ w.T, g.sum(axis=0)\n"), tmp_path).findings
    assert [f"{f.target} {f.code} {f.detail}" for f in found] == ["x PRODUCT x.T @ g", "w PRODUCT g @ w.T"]
    assert "dy" not in "".join(f.text for f in found)


@pytest.mark.parametrize("change", [
    lambda s: s.replace("\n", "\r\n").encode(), lambda s: b"\xef\xbb\xbf" + s.encode(), lambda s: s.replace("    ", "\t").encode()],
    ids=["CRLF", "byte order mark", "tabs"])
def test_how_an_editor_saves_does_not_matter(change, tmp_path):
    assert judged(DENSE, change(DENSE.answer), tmp_path).passed


def test_the_file_may_put_anything_in_the_place_of_its_output(tmp_path, runner):
    path = tmp_path / DENSE.filename
    path.write_text("import sys\nsys.stdout = sys.stderr = None\n" + DENSE.answer, encoding="utf-8")
    assert runner.run(DENSE, path, again=True).passed


@pytest.mark.full
def test_what_a_file_prints_is_shown_and_cut(tmp_path, runner):
    path = tmp_path / SCALAR.filename
    path.write_text(body("print('h is', h, end='\\n' * 3000); return (f(x + h) - f(x - h)) / (2 * h)"),
                    encoding="utf-8")
    verdict = runner.run(SCALAR, path)
    from scratchnet.exercises.feedback import printed
    assert "h is 0.1" in printed(verdict) and len(printed(verdict)) < 500
    assert verdict.findings[0].code == "UNFINISHED"                         # the second function is not begun


def test_a_judge_that_fails_is_not_the_learners_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(SCALAR.judge, "judge", lambda answer, right: 1 / 0)
    assert judged(SCALAR, SCALAR.answer, tmp_path).status == "broken"
