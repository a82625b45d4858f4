"""The course: stubs fail, solutions pass, wrong answers get their names; hints, texts and questions.

Here the judges run in this process; `python -m scratchnet.exercises check`, in the full tier and in CI, runs
each file in one of its own, as learners do.
"""
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scratchnet as sn
from scratchnet.exercises import author, worker
from scratchnet.exercises.exercise import HOLE, Exercise, course, edited, find
from scratchnet.exercises.hints import hint, next_line
from scratchnet.exercises.judging import Finding, Slip, regimes, require, values
from scratchnet.exercises.questions import GENERAL, QUESTIONS, question
from scratchnet.exercises.runner import Verdict

from .conftest import KERNELS, size

ROOT = Path(__file__).parent.parent
COURSE = course()
BUGS = [one for one in COURSE if one.planted]
met: set[str] = set()                           # codes of all findings so far


def run_here(folder: Path):
    def run(one: Exercise, source: str, kernels: str) -> Verdict:
        path = folder / one.filename
        path.write_text(source, encoding="utf-8")
        with sn.use_kernels(kernels):
            result = worker.run(one, path)
        findings = [Finding(**f) for f in result["findings"]]
        met.update(f.code for f in findings)
        return Verdict(one, path, result["status"], findings, "", 0.0)
    return run


@pytest.mark.filterwarnings("ignore::RuntimeWarning")                      # some wrong answers divide by zero
@pytest.mark.parametrize("one", COURSE, ids=lambda one: one.name)
def test_stub_fails_solution_passes_wrong_answers_get_their_names(one, tmp_path):
    """U2.  In the quick tier one wrong answer of each, in the full tier all."""
    results = list(author.check_one(one, run_here(tmp_path), KERNELS[-1:], most=size(1, 99)))
    assert not [r for r in results if not r.holds]
    unnamed = [r for r in results if r.named is False]
    assert len(unnamed) <= size(0, 1), unnamed


def test_there_are_enough_of_each_kind():
    assert len(COURSE) >= 24 and len(BUGS) >= 8 and len({one.name for one in COURSE}) == len(COURSE)
    for one in COURSE:
        assert len(one.judge.WRONG) >= 4 and one.filename == f"{one.number:02d}_{one.name}.py"


def test_stub_is_cut_from_the_solution():
    for one in COURSE:
        if one.planted:
            assert edited(one.stub, one.planted[1], one.planted[0]) == one.answer
        else:
            assert "raise NotImplementedError" in one.stub or "#|" in one.solution
            outside = re.sub(r"# >>>.*?# <<<", "", one.stub, flags=re.S)
            assert outside == re.sub(r"# >>>.*?# <<<", "", one.answer, flags=re.S)
        assert "#|" not in one.stub and "#|" not in one.answer


def test_between_the_marks_of_a_stub_there_is_nothing_of_the_solution():
    for one in COURSE:
        for hole, solved in zip(HOLE.finditer(one.stub), one.holes):
            lines = {line.strip() for line in hole[3].splitlines()}
            assert lines == {"raise NotImplementedError"} or not lines & {line.strip() for line in solved.splitlines()}


def test_hints_have_four_levels_and_the_last_is_a_line_of_the_solution():
    for one in COURSE:
        assert [hint(one, level, one.stub)[0] for level in (1, 2, 3, 4)] == list("1234")
        line = next_line(one, one.stub).removeprefix("write   ")
        assert line in one.answer
        assert "every line" in next_line(one, one.answer)


def test_the_last_hint_gives_one_line_at_a_time():
    one = find("dense_backward")
    begun = one.stub.replace("    raise NotImplementedError", "    dx = g @  w.T   # first")
    assert next_line(one, begun) == "write   dw = x.T @ g"


@pytest.mark.full
def test_every_question_is_met_by_a_stored_wrong_answer(tmp_path):
    """U2, its second half; the questions of rare findings are those of the checker's own tests."""
    run = run_here(tmp_path)
    for one in COURSE:
        for answer in one.judge.WRONG:
            run(one, one.wrong(answer), "numpy")
    ours = {code for code in QUESTIONS if code in met}
    assert len(ours) >= 30 and all(question(code) in (None, GENERAL, QUESTIONS.get(code)) for code in met)


@pytest.mark.full
def test_check_is_green_through_real_processes():
    done = subprocess.run([sys.executable, "-m", "scratchnet.exercises", "check"], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout
    named = float(re.search(r"\(([\d.]+) %\)", done.stdout)[1])
    assert named >= 90


def test_check_finds_what_is_wrong_with_an_exercise(tmp_path):
    """An author's mistakes: a wrong answer that is right, a solution that fails, an example that lies."""
    one = Exercise("dense_backward", 6, "Layers")
    one.solution = one.solution.replace("dx = g @ w.T", "dx = g @ w")
    one.solution = one.solution.replace("array([ 10., 100.])", "array([ 10., 101.])")
    claims = {r.claim: r for r in author.check_one(one, run_here(tmp_path), ["numpy"])}
    assert not claims["the solution passes with the numpy kernels"].holds
    assert not claims["the examples in the text are true, and there are some"].holds
    assert not claims["wrong answer: w not transposed"].holds                # its edit finds nothing to change
    harmless = one.judge.WRONG[0]._replace(slip="harmless", old="three lines", new="3 lines")
    assert one.wrong(harmless)


@pytest.mark.parametrize("said, name", [("6", "dense_backward"), ("06", "dense_backward"),
                                        ("06_dense_backward.py", "dense_backward"),
                                        ("a b/06_dense_backward.py", "dense_backward"),
                                        ("dense_back", "dense_backward"),
                                        ("19_dense_backward", "dense_backward"), ("bug_", None), ("0", None),
                                        ("", None)])
def test_find_knows_an_exercise_by_number_name_file(said, name):
    assert getattr(find(said), "name", None) == name


# ---- what judges are written with -------------------------------------------------------------------

def right(x): return 2 * x


CASES = [(1.0,), (3.0,), (-2.0,)]


@pytest.mark.parametrize("got, code, words", [
    (lambda x: -2 * x, "RATIO", "-1 times"), (lambda x: x, "RATIO", "1/2 times"),
    (lambda x: None, "NONE", "return missing"),
    (lambda x: "two", "TYPE", "is a str"), (lambda x: [2 * x, 2 * x], "SHAPE", "has shape (2,), expected ()"),
    (lambda x: float("nan"), "NOT_FINITE", "NaN"), (lambda x: 2 * x + 1, "VALUE", "expected"),
    (lambda x: x ** 2, "SQUARE", "a square")])
def test_values_names_what_explains_every_case(got, code, words):
    with pytest.raises(Slip) as slip:
        values("y", got, right, CASES, ("SQUARE", lambda x: x ** 2, "this is a square"))
    assert slip.value.findings[0].code == code and words in str(slip.value)


def test_values_does_not_name_what_explains_some_cases_only():
    with pytest.raises(Slip) as slip:
        values("y", lambda x: x ** 2 if x > 0 else 0.0, right, CASES, ("SQUARE", lambda x: x ** 2, "this is a square"))
    assert slip.value.findings[0].code == "VALUE"
    values("y", right, right, CASES, ("SQUARE", lambda x: x ** 2, "a square"))
    require(True, "y", "X", "no")


def test_regimes_takes_the_sizes_in_turn():
    sample = regimes(lambda rng, *s: s, (1, 2), (3, 4))
    assert [sample(None) for _ in range(3)] == [(1, 2), (3, 4), (1, 2)]


@pytest.mark.parametrize("name, old, new, words", [
    ("dense_backward", "return dx, dw, db", "return dx", "dense_backward returned one ndarray, expected 3 results: dx, dw, db"),
    ("autoencoder", "return dw1, db1, dw2", "return db1, dw2", "returned 7 results, expected 8 results"),
    ("kmeans", ".argmin(axis=1)", ".argmin(axis=1).astype(str)", "cannot work with what your functions return"),
    ("reuse_and_accumulate", "    return done\n", "    return iter(done)\n", "order returned a list_iterator")])
def test_results_of_a_wrong_kind_are_the_learners(tmp_path, name, old, new, words):
    """Never "a mistake in the exercise": the judge works with the solution."""
    one = find(name)
    verdict = run_here(tmp_path)(one, edited(one.answer, old, new), "numpy")
    assert verdict.status == "wrong" and words in verdict.findings[0].text, verdict
