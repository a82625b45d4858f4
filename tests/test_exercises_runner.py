"""The commands, and progress, which is kept whatever happens (X2)."""
import io
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

from scratchnet.exercises.cli import main
from scratchnet.exercises.exercise import course, find
from scratchnet.exercises.folder import Folder, Trouble
from scratchnet.exercises.progress import FILE, Progress
from scratchnet.exercises.runner import Runner

from .conftest import size

ROOT = Path(__file__).parent.parent
SCALAR = find("numeric_derivative")


@pytest.fixture(scope="module")
def runner():
    with Runner(limit=1) as r:
        yield r


@pytest.fixture
def folder(tmp_path):
    f = Folder(tmp_path / "mes exercices é")
    f.start()
    return f


def command(*arguments, cwd=None, path=ROOT):
    return subprocess.run([sys.executable, "-m", "scratchnet.exercises", *map(str, arguments)], cwd=cwd or ROOT,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(path)}, timeout=60)


# ---- commands -----------------------------------------------------------------------------------------

def test_exit_codes_and_streams(folder, capsys):
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
    assert main(["run", "1", "--dir", str(folder.path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "is missing; get it back with" in said.err


@pytest.mark.parametrize("arguments, words", [
    (("run", "dense_bakward"), "did you mean dense_backward?"), (("jump",), "there is no command 'jump'"),
    (("run", "99"), "there is no exercise '99'"), ((), "start FOLDER"), (("solution",), "required: NAME")])
def test_usage_errors_are_sentences(folder, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(folder.path)
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err and "Traceback" not in said.err


def test_start_keeps_what_is_there(folder, capsys, monkeypatch):
    folder.file(SCALAR).write_text("mine", encoding="utf-8")
    old = folder.file(find("vae"))
    old.rename(old.with_name("99_vae.py"))                                  # numbered so by another version
    folder.file(find("kmeans")).unlink()
    assert main(["start", str(folder.path)]) == 0
    assert "1 exercises are new in" in capsys.readouterr().out and folder.file(SCALAR).read_text() == "mine"
    assert folder.file(find("vae")).name == "99_vae.py" and folder.file(find("kmeans")).exists()
    (folder.path / "file").write_text("")
    assert main(["start", str(folder.path / "file")]) == 2 and "is a file" in capsys.readouterr().err


def test_reset_asks_and_keeps_a_backup(folder, capsys, monkeypatch):
    def reset(answer: str) -> int:
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        return main(["reset", "1", "--dir", str(folder.path)])
    folder.file(SCALAR).write_text("mine", encoding="utf-8")
    folder.progress.ran(SCALAR.name, True)
    assert reset("n\n") == 1 and "nothing was changed" in capsys.readouterr().err
    assert folder.file(SCALAR).read_text() == "mine"
    for content in ("mine", "mine again"):
        folder.file(SCALAR).write_text(content, encoding="utf-8")
        assert reset("y\n") == 0
    assert sorted(p.read_text() for p in (folder.path / "backups").iterdir()) == ["mine", "mine again"]
    assert folder.file(SCALAR).read_text(encoding="utf-8") == SCALAR.stub
    assert folder.progress.of(SCALAR.name)["state"] == "open" and folder.progress.of(SCALAR.name)["first_passed"]


def test_hints_are_counted_and_solutions_wait(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder.path)
    assert main(["solution", "1"]) == 1 and "once you have passed it" in capsys.readouterr().err
    for level in (1, 2, 3, 4, 4):
        assert main(["hint"]) == 0 and f"hint {level} of 4" in capsys.readouterr().out
    folder.progress.ran(SCALAR.name, True)
    assert main(["solution", "1"]) == 0
    solved = capsys.readouterr().out
    assert "(f(x + h) - f(x - h)) / (2 * h)" in solved
    assert min(map(len, solved.split("Background\n")[1].strip().splitlines()[:-1])) > 80     # one paragraph, evenly filled
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


@pytest.mark.parametrize("trial", range(size(1, 25)))
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
