"""`check`: proves of every exercise what an exercise promises.  Run by CI, and by whoever writes one.

    stub          is not solved, and says so in a sentence
    solution      passes with the NumPy and with the Numba kernels; the examples in its text are true
    text          formula, shapes and an example with numbers are there; the hole has 1 to 15 lines; three hints
    wrong answers at least four; each is rejected; at least 90 % of them get a name that is right

Every file is run as a learner's would be: in a process of its own, by the same runner.
"""
from __future__ import annotations

import doctest
import json
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Sequence

from tqdm import tqdm

from .exercise import HOLE, Exercise
from .feedback import paint
from .judging import Finding
from .questions import question
from .runner import Runner, Verdict

NAMED = 0.9                                     # of the wrong answers must get the right name


class Result(NamedTuple):
    """One claim about one exercise.  named: for wrong answers, whether the diagnosis is right."""
    exercise: str
    claim: str
    holds: bool
    said: str
    named: bool | None = None


def check(exercises: Sequence[Exercise], kernels: Sequence[str], as_json: bool = False) -> int:
    """Check them and report.  0 if everything holds and enough wrong answers have the right name, else 1."""
    results = []
    with ExitStack() as open_, tempfile.TemporaryDirectory() as folder:
        runners = {name: open_.enter_context(Runner(environment={"SCRATCHNET_KERNELS": name})) for name in kernels}

        def run(one: Exercise, source: str, kernels: str) -> Verdict:
            path = Path(folder) / one.filename
            path.write_text(source, encoding="utf-8")
            return runners[kernels].run(one, path, again=True)
        for one in tqdm(exercises, "checking", unit=" exercises", disable=not sys.stderr.isatty(), leave=False):
            results += check_one(one, run, kernels)
    wrong = [r for r in results if r.named is not None]
    named = sum(r.named for r in wrong)
    failed = [r for r in results if not r.holds]
    enough = not wrong or named >= NAMED * len(wrong)
    if as_json:
        print(json.dumps([r._asdict() for r in results], ensure_ascii=False))
    else:
        for r in failed + [r for r in wrong if not r.named and r.holds]:
            print(f"{paint('✗', 'red') if not r.holds else paint('?', 'yellow')} {r.exercise}: {r.claim}: {r.said}")
        print(f"{len(exercises)} exercises: {len(results) - len(failed)} of {len(results)} claims hold; wrong answers: "
              f"{sum(r.holds for r in wrong)} of {len(wrong)} rejected, {named} named right "
              f"({100 * named / max(1, len(wrong)):.1f} %)")
    return 0 if not failed and enough else 1


def check_one(one: Exercise, run: Callable, kernels: Sequence[str], most: int | None = None) -> Iterator[Result]:
    """All claims about one exercise.  run(exercise, source, kernels) → Verdict; most: so many wrong answers only."""
    def result(claim: str, holds, said="", named=None) -> Result:
        return Result(one.name, claim, bool(holds), said, named)
    yield from (result(claim, holds) for claim, holds in written(one))
    failures, tried = examples(one)
    yield result("the examples in the text are true, and there are some", tried and not failures,
                 f"{failures} of {tried} fail")
    for name in kernels:
        verdict = run(one, one.answer, name)
        yield result(f"the solution passes with the {name} kernels", verdict.passed, said(verdict))
    verdict = run(one, one.stub, kernels[0])
    expected = "wrong" if one.planted or "#|" in one.solution else "unfinished"
    yield result(f"the stub is {expected}", verdict.status == expected, said(verdict))
    for answer in one.judge.WRONG[:most]:
        try:
            source = one.wrong(answer)
        except ValueError as error:
            yield result(f"wrong answer: {answer.slip}", False, str(error), False)
            continue
        verdict = run(one, source, kernels[0])
        yield result(f"wrong answer: {answer.slip}", verdict.status == "wrong",
                     f"{said(verdict)}; right is {' or '.join(answer.names)}",
                     fits(verdict.findings, answer.names))


def written(one: Exercise) -> Iterator[tuple[str, bool]]:
    """What can be seen without running anything."""
    yield "holes of 1 to 15 lines", all(1 <= len(code_lines(hole)) <= 15 for hole in one.holes)
    yield "the stub differs from the solution", one.stub != one.answer
    marks = one.solution.count("# >>>"), one.solution.count("# <<<"), len(HOLE.findall(one.solution))
    yield "every mark has its counterpart", len(set(marks)) == 1
    for word in ("Formula", "Shapes", "Example"):
        yield f"the text has a part {word}", f"\n{word}" in one.text
    yield "three hints and a background", len(one.judge.HINTS) == 3 and len(one.judge.BACKGROUND) > 100
    yield "four wrong answers or more", len(one.judge.WRONG) >= 4
    yield "no line is longer than 120", all(len(line) <= 120 for line in one.solution.splitlines())


def code_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def examples(one: Exercise) -> tuple[int, int]:
    """(failures, examples) of the text, run against the solution."""
    test = doctest.DocTestParser().get_doctest(one.text, dict(vars(one.right)), one.name, one.filename, 0)
    return tuple(doctest.DocTestRunner(verbose=False).run(test, out=lambda text: print(text, file=sys.stderr)))[:2]


def fits(findings: list[Finding], names: Sequence[str]) -> bool:
    """Whether one finding has one of the names, and every other finding of that target too."""
    def named(finding: Finding, name: str) -> bool:
        target, code, detail = re.fullmatch(r"(.+?) ([A-Z_]+):?(.*)", name).groups()
        return target in (finding.target, "*") and code == finding.code and finding.detail.startswith(detail)
    hits = {f.target for f in findings if any(named(f, name) for name in names)}
    return bool(hits) and all(any(named(f, name) for name in names) for f in findings if f.target in hits)


def said(verdict: Verdict) -> str:
    """Status and names; the sentences too where there is no name in them."""
    parts = [f"; {f.target} {f.code} {f.detail}".rstrip() + (f" ({f.text})" if question(f.code) is None else "")
             for f in verdict.findings]
    return verdict.status + "".join(parts)
