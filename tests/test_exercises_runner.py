"""The runner: whatever is in the learner's file, a sentence comes back; whatever happens, progress is kept (X2)."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scratchnet.exercises.exercise import course, find
from scratchnet.exercises.feedback import as_json, told
from scratchnet.exercises.folder import Folder, Trouble
from scratchnet.exercises.progress import FILE, Progress
from scratchnet.exercises.runner import Runner

from .conftest import size

ROOT = Path(__file__).parent.parent
SCALAR = find("numeric_derivative")
LINE = SCALAR.stub[:SCALAR.stub.index("raise")].count("\n") + 1
BODY = "    raise NotImplementedError\n    # <<<\n\n\ndef order"          # of its first hole


@pytest.fixture(scope="module")
def runner():
    with Runner(limit=2) as r:
        yield r


@pytest.fixture
def folder(tmp_path):
    f = Folder(tmp_path / "mes exercices é")
    f.start()
    return f


def command(*arguments, cwd=None, stdin="", path=ROOT):
    return subprocess.run([sys.executable, "-m", "scratchnet.exercises", *map(str, arguments)], cwd=cwd or ROOT,
                          input=stdin,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(path)}, timeout=60)


def body(code: str) -> str:
    """The exercise's file with this as the body of its first function."""
    return SCALAR.stub.replace(BODY, f"    {code}\n    # <<<\n\n\ndef order")


FAULTS = {
    "not begun": (SCALAR.stub, "UNFINISHED", f"line {LINE} is still to be written"),
    "syntax error": (body("return (f(x + h"), "SYNTAX", f"line {LINE} is not Python: '(' was never closed"),
    "bad indentation": (body("y = 1\n  return y"), "SYNTAX", "is not Python: unindent"),
    "null byte": (body("return 1\0"), "SYNTAX", "null byte"),
    "not text": (b"\xff\xfe\x00 caf\xe9", "SYNTAX", "is not Python"),
    "empty file": ("", "GONE", "the file defines no slope; it must keep the name it had (def slope(f, x, h))"),
    "a file of something else": ("import math\nprint(math.pi)\n", "GONE", "defines no slope"),
    "a variable of that name": (SCALAR.stub + "\nslope = 3\n", "GONE", "slope is a int, it must stay a function"),
    "changed signature": (SCALAR.stub.replace("def slope(f, x, h)", "def slope(f, x)"), "SIGNATURE",
                          "slope takes other arguments than it should: it must stay  def slope(f, x, h)"),
    "None returned": (body("y = f(x)"), "NONE", "slope returned None: is a return missing at its end?"),
    "a string": (body("return '12'*2"), "RATIO", None),
    "a word": (body("return 'twelve'"), "TYPE", "slope is a str, expected numbers"),
    "wrong shape": (body("return [f(x), f(x)]"), "SHAPE", "slope has shape (2,), expected ()"),
    "error": (body("y = f(x)\n    return y.slope"), "ERROR",
              f"line {LINE + 1}, in slope:  return y.slope\nAttributeError: "),
    "unknown name": (body("return (f(x + dx) - f(x)) / dx"), "ERROR", "NameError: name 'dx' is not defined"),
    "missing module": ("import torchvision_of_mine\n" + SCALAR.stub, "ERROR",
                       "line 1:  import torchvision_of_mine\nModuleNotFoundError"),
    "endless loop": (body("while True: pass"), "TIMEOUT", "was stopped after 2 seconds: is there a loop without end?"),
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


QUICK = {"not begun", "syntax error", "None returned", "wrong shape", "error", "endless loop", "changed signature", "hard exit"}


@pytest.mark.parametrize("fault", [f if f in QUICK else pytest.param(f, marks=pytest.mark.full) for f in FAULTS])
def test_every_fault_gets_a_sentence(fault, tmp_path, runner):
    content, code, words = FAULTS[fault]
    path = tmp_path / SCALAR.filename
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if fault == "a string":                     # numbers in quotes are numbers, wrong ones
        code, words = "VALUE", "expected"
    verdict = runner.run(SCALAR, path, again=True)
    assert verdict.status in ("wrong", "unfinished") and verdict.findings[0].code == code, verdict
    text = told(verdict, 0)
    assert words in verdict.findings[0].text and "Traceback" not in text and "scratchnet/" not in text
    assert json.loads(json.dumps(as_json(verdict, 0)))["findings"][0]["code"] == code


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
    from scratchnet.exercises import worker
    monkeypatch.setattr(SCALAR.judge, "judge", lambda answer, right: 1 / 0)
    path = tmp_path / SCALAR.filename
    path.write_text(SCALAR.answer, encoding="utf-8")
    assert worker.run(SCALAR, path)["status"] == "broken"


# ---- commands -----------------------------------------------------------------------------------------

def test_exit_codes_and_streams(folder):
    """0 right, 1 wrong, 2 usage or file; results on stdout, notices on stderr."""
    file = folder.file(SCALAR)
    wrong = command("run", 1, cwd=folder.path)
    assert (wrong.returncode, wrong.stderr) == (1, "") and "still to be written" in wrong.stdout
    file.write_text(SCALAR.answer.replace("return (f", "print('here'); return (f"), encoding="utf-8")
    passed = command("run", "--json", "--dir", folder.path)
    result = json.loads(passed.stdout)
    assert passed.returncode == 0 and result["status"] == "passed" and "here" in result["printed"]
    assert "\x1b" not in passed.stdout + wrong.stdout                       # colours on terminals only
    file.unlink()
    missing = command("run", 1, cwd=folder.path)
    assert missing.returncode == 2 and missing.stdout == "" and "is missing; get it back with" in missing.stderr


@pytest.mark.parametrize("arguments, words", [
    (("run", "dense_bakward"), "did you mean dense_backward?"), (("jump",), "there is no command 'jump'"),
    (("run", "99"), "there is no exercise '99'"), ((), "start FOLDER"), (("solution",), "required: NAME")])
def test_usage_errors_are_sentences(folder, arguments, words, capsys, monkeypatch):
    from scratchnet.exercises.cli import main
    monkeypatch.chdir(folder.path)
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err and "Traceback" not in said.err


def test_start_keeps_what_is_there(folder, capsys, monkeypatch):
    from scratchnet.exercises.cli import main
    folder.file(SCALAR).write_text("mine", encoding="utf-8")
    old = folder.file(find("vae"))
    old.rename(old.with_name("99_vae.py"))                                  # numbered so by another version
    folder.file(find("kmeans")).unlink()
    assert main(["start", str(folder.path)]) == 0
    assert "1 exercises are new in" in capsys.readouterr().out and folder.file(SCALAR).read_text() == "mine"
    assert folder.file(find("vae")).name == "99_vae.py" and folder.file(find("kmeans")).exists()
    (folder.path / "file").write_text("")
    assert main(["start", str(folder.path / "file")]) == 2 and "is a file" in capsys.readouterr().err


def test_reset_asks_and_keeps_a_backup(folder):
    folder.file(SCALAR).write_text("mine", encoding="utf-8")
    folder.progress.ran(SCALAR.name, True)
    refused = command("reset", 1, cwd=folder.path, stdin="n\n")
    assert refused.returncode == 1 and "nothing was changed" in refused.stderr
    assert folder.file(SCALAR).read_text() == "mine"
    for content in ("mine", "mine again"):
        folder.file(SCALAR).write_text(content, encoding="utf-8")
        assert command("reset", 1, cwd=folder.path, stdin="y\n").returncode == 0
    assert sorted(p.read_text() for p in (folder.path / "backups").iterdir()) == ["mine", "mine again"]
    assert folder.file(SCALAR).read_text(encoding="utf-8") == SCALAR.stub
    assert folder.progress.of(SCALAR.name)["state"] == "open" and folder.progress.of(SCALAR.name)["first_passed"]


def test_hints_are_counted_and_solutions_wait(folder, capsys, monkeypatch):
    from scratchnet.exercises.cli import main
    monkeypatch.chdir(folder.path)
    assert main(["solution", "1"]) == 1 and "once you have passed it" in capsys.readouterr().err
    for level in (1, 2, 3, 4, 4):
        assert main(["hint"]) == 0 and f"hint {level} of 4" in capsys.readouterr().out
    folder.progress.ran(SCALAR.name, True)
    assert main(["solution", "1"]) == 0 and "(f(x + h) - f(x - h)) / (2 * h)" in capsys.readouterr().out
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "✓ 01 numeric_derivative" in listed and "4 of 4 hints" in listed
    assert f"1 of {len(course())} passed; next: 02_chain_rule.py" in listed


@pytest.mark.full
def test_verify_runs_all(folder):
    for one in course():
        folder.file(one).write_text(one.answer, encoding="utf-8")
    done = command("verify", cwd=folder.path)
    assert done.returncode == 0 and f"{len(course())} of {len(course())} are right" in done.stdout
    assert all(folder.passed(one) for one in course())


def test_package_is_only_read_and_the_folder_may_move(tmp_path):
    """An installation in which nothing may be written; then the learner's folder under another name."""
    package = tmp_path / "site packages"
    shutil.copytree(ROOT / "scratchnet", package / "scratchnet", ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(package.rglob("*.*"))
    for path in (package, *package.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    here, there = tmp_path / "Übungen", tmp_path / "später" / "üben 2"
    assert command("start", here, path=package, cwd=tmp_path).returncode == 0
    assert os.access(here / SCALAR.filename, os.W_OK)
    (here / SCALAR.filename).write_text(SCALAR.answer, encoding="utf-8")
    assert command("run", 1, path=package, cwd=here).returncode == 0
    there.parent.mkdir()
    shutil.move(here, there)
    assert "✓ 01" in command("list", path=package, cwd=there).stdout
    for path in (package, *package.rglob("*")):
        path.chmod(0o755)
    assert sorted(p for p in package.rglob("*.*") if "__pycache__" not in str(p)) == before


@pytest.mark.full
def test_modules_of_the_learners_folder_do_not_replace_ours(folder, runner):
    (folder.path / "numpy.py").write_text("raise SystemExit('not NumPy')")
    folder.file(SCALAR).write_text(SCALAR.answer, encoding="utf-8")
    assert runner.run(SCALAR, folder.file(SCALAR)).passed


@pytest.mark.full
def test_verdicts_take_a_second_and_diagnoses_five(tmp_path):
    """In processor time of the judge, which other programs do not lengthen; models are exempt."""
    with Runner() as r:
        for one in course():
            for source in [one.answer, *(one.wrong(answer) for answer in one.judge.WRONG)]:
                path = tmp_path / one.filename
                path.write_text(source, encoding="utf-8")
                verdict = r.run(one, path, again=True)
                assert verdict.cpu < (5 if one.chapter == "Models" else 1), (one.name, verdict)


# ---- progress: X2 ---------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from scratchnet.exercises.progress import Progress
p = Progress(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    p.ran(f"{sys.argv[2]}{n}", True)
    p.hinted("shared", 10 ** 6)
    print(n, flush=True)
"""


def writer(folder: Path, name: str, count: int):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(count)], stdout=subprocess.PIPE,
                            text=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_x2_two_runners_lose_nothing(tmp_path):
    writers = [writer(tmp_path, name, 20) for name in "ab"]
    assert [w.wait() for w in writers] == [0, 0]
    content = Progress(tmp_path).read()["exercises"]
    assert all(content[f"{name}{n}"]["state"] == "passed" for name in "ab" for n in range(20))
    assert content["shared"]["hints"] == 40


@pytest.mark.parametrize("trial", range(size(2, 25)))
def test_x2_killed_at_any_moment_nothing_is_lost(tmp_path, trial):
    """kill -9 between two writes, or inside one: all that was acknowledged is there, and the next runner goes on."""
    w = writer(tmp_path, "a", 10 ** 6)
    w.stdout.readline()
    time.sleep(0.02 + 0.013 * trial)
    os.kill(w.pid, signal.SIGKILL)
    acknowledged = [0] + [int(line) for line in w.stdout.read().split("\n")[:-1] if line]
    w.wait()
    json.loads((tmp_path / FILE).read_text())
    p = Progress(tmp_path)
    p.ran("next", True)
    content = p.read()["exercises"]
    assert all(content[f"a{n}"]["state"] == "passed" for n in acknowledged) and content["next"]["state"] == "passed"
    assert p.notices == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"exercises": []}', "\x00\x01", "[" * 10 ** 5])
def test_damaged_progress_is_kept_aside(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    p = Progress(tmp_path)
    p.ran("one", True)
    assert p.of("one")["state"] == "passed" and "kept as progress.json.damaged" in p.notices[0]
    assert (tmp_path / "progress.json.damaged").read_text() == content


def test_an_upgrade_keeps_what_it_does_not_know(tmp_path):
    """Other exercises, other keys, other types from a newer or an older version."""
    old = {"format": 3, "theme": "dark", "current": 7, "exercises": {"gone": {"state": "passed", "stars": 3}, "odd": 1,
                                                                      "one": {"hints": "many", "runs": None,
                                                                              "state": "passed"}}}
    (tmp_path / FILE).write_text(json.dumps(old))
    p = Progress(tmp_path)
    assert p.hinted("one", 4) == 1
    content = p.read()
    assert content["theme"] == "dark" and content["format"] == 3
    assert content["exercises"]["gone"] == {"state": "passed", "stars": 3}
    assert content["exercises"]["one"]["state"] == "passed" and p.notices == []


def test_a_folder_without_room_gives_a_notice_not_an_error(tmp_path, monkeypatch):
    import scratchnet.exercises.progress as module

    def full(*_, **__):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(module, "write_whole", full)
    p = Progress(tmp_path)
    assert p.ran("one", True)["exercises"]["one"]["state"] == "passed"
    assert "No space left on device" in p.notices[0]
    with pytest.raises(Trouble, match="cannot write to"):
        monkeypatch.setattr("scratchnet.exercises.folder.write_whole", full)
        Folder(tmp_path / "new").start()


def test_a_stopped_runner_does_not_stop_another(tmp_path, monkeypatch):
    import scratchnet.exercises.progress as module
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    with module.locked(tmp_path / module.LOCK):
        p = Progress(tmp_path)
        p.ran("one", True)
    assert p.of("one")["state"] == "passed"


def test_no_path_is_written_into_progress(folder):
    folder.progress.ran(SCALAR.name, False)
    assert not re.search(r"[/\\]", (folder.path / FILE).read_text())


def test_colours_on_terminals_only_and_never_with_no_color(monkeypatch):
    from scratchnet.exercises.feedback import paint
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("right", "green") == "\x1b[32mright\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("right", "green") == "right"
