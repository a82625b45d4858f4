"""The commands.  stdout: results; stderr: notices.  Exit 0: all right, 1: a wrong answer, 2: a usage or file error."""
from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys

from . import feedback
from .exercise import Exercise, course, find
from .feedback import COMMAND, LEVELS, paint
from .folder import Folder, Trouble, find_folder
from .hints import hint
from .runner import LIMIT, Runner, Verdict

HELP = """Learn backpropagation by writing it: small files with one hole each, run again on every save.

  start FOLDER     put the exercises into a folder of your own; what is there already stays as it is
  watch [NAME]     run the current exercise whenever you save it (Ctrl-C ends)
  run [NAME]       run one exercise once
  list             all exercises, and which you have passed
  hint [NAME]      the next of four hints: where to look, the form of it, the line, the code
  reset [NAME]     begin an exercise anew; your file is kept as a backup
  solution NAME    our solution and some background, once you have passed
  verify           run all exercises
  check [NAME …]   for authors: prove that exercises and their judges are right

NAME is a number or a name: 6, dense_backward.  Without it, the exercise you are working on."""


def main(arguments: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")                      # a terminal that has no ✓
    try:
        options = parser().parse_args(arguments)
        if options.no_color:
            os.environ["NO_COLOR"] = "1"
        return options.command(options)
    except Trouble as trouble:
        notice(str(trouble))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:                     # `… list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        """One sentence; the help tells the rest."""
        if message.endswith("required: "):      # no command at all
            raise Trouble(HELP)
        wrong = re.search(r"invalid choice: '(.*?)'", message)
        raise Trouble((f"there is no command {wrong[1]!r}" if wrong else message) + f":  {COMMAND} --help")


def parser() -> argparse.ArgumentParser:
    p = Parser(prog=COMMAND, description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter,
                                usage=f"{COMMAND} COMMAND [NAME] [--dir FOLDER] [--json] [--no-color]")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--dir", metavar="FOLDER", help="where the exercises are (default: here, or above)")
    shared.add_argument("--json", action="store_true", help="results as JSON")
    shared.add_argument("--no-color", action="store_true")
    shared.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help=argparse.SUPPRESS)
    commands = p.add_subparsers(title=argparse.SUPPRESS, metavar="", required=True)
    for command, names in ((start, "FOLDER"), (watch, "?"), (run, "?"), (list_, ""), (hint_, "?"), (reset, "?"),
                           (solution, "NAME"), (verify, ""), (check, "*")):
        one = commands.add_parser(command.__name__.rstrip("_"), parents=[shared], add_help=True)
        one.set_defaults(command=command)
        if names == "FOLDER":
            one.add_argument("folder", metavar="FOLDER")
        elif names:
            one.add_argument("name", metavar="NAME", **({} if names == "NAME" else {"nargs": names}))
        if command is reset:
            one.add_argument("--yes", action="store_true", help="do not ask")
        if command is check:
            one.add_argument("--kernels", choices=("numpy", "numba"), action="append", help="only this kernel set")
    return p


def notice(text: str) -> None:
    print(text, file=sys.stderr)


def notices(folder: Folder) -> None:
    while folder.progress.notices:
        notice(folder.progress.notices.pop(0))


def exercise(said: str | None, folder: Folder | None = None) -> Exercise:
    """The exercise that was named, or the current one."""
    if said is None:
        one = folder.current() if folder else None
        if one is None:
            raise Trouble("all exercises are passed: name the one you mean")
        return one
    one = find(said)
    if one is None:
        near = difflib.get_close_matches(re.sub(r"^.*[/\\]|\.py$", "", said.lower()), [e.name for e in course()], 3)
        raise Trouble(f"there is no exercise {said!r}" + (f"; did you mean {' or '.join(near)}?" if near else "") +
                      f"  All of them:  {COMMAND} list")
    return one


# ---- the commands -----------------------------------------------------------------------------------

def start(options) -> int:
    from pathlib import Path
    folder = Folder(Path(options.folder))
    new = folder.start()
    notices(folder)
    if options.json:
        print(json.dumps({"folder": str(folder.path), "new": [one.filename for one in new]}))
        return 0
    kept = len(course()) - len(new)
    print(f"{len(new)} exercises are new in {folder.path}"
          + (f"; {kept} were there already and are as they were" if kept else ""))
    print(f'now:  cd "{folder.path}"  and  {COMMAND} watch')
    if first := folder.current():
        print(f"and open {folder.file(first).name} in your editor")
    return 0


def run(options) -> int:
    folder = find_folder(options.dir)
    one = exercise(options.name, folder)
    with Runner(options.limit) as runner:
        verdict = runner.run(one, existing(folder, one))
    return tell(folder, verdict, options.json)


def missing(folder: Folder, one: Exercise) -> str:
    return f"{folder.file(one).name} is missing; get it back with  {COMMAND} reset {one.name}"


def existing(folder: Folder, one: Exercise):
    path = folder.file(one)
    if not path.is_file():
        raise Trouble(missing(folder, one))
    try:
        path.open("rb").close()
    except OSError as error:
        raise Trouble(f"{path.name} cannot be read: {error.strerror or error}") from None
    return path


def tell(folder: Folder, verdict: Verdict, as_json: bool = False) -> int:
    """Write the verdict, count it, and give its exit code."""
    if verdict.status == "broken":
        hints = folder.progress.of(verdict.exercise.name)["hints"]
    else:
        hints = folder.progress.ran(verdict.exercise.name, verdict.passed)["exercises"][verdict.exercise.name]["hints"]
    if as_json:
        print(json.dumps(feedback.as_json(verdict, hints), ensure_ascii=False), flush=True)
    else:
        if said := feedback.printed(verdict):
            notice(said)
        print(feedback.told(verdict, hints) + ("\n" + feedback.passed_text(verdict.exercise) if verdict.passed else ""),
              flush=True)
    notices(folder)
    return 0 if verdict.passed else 2 if verdict.status == "broken" else 1


def list_(options) -> int:
    folder = find_folder(options.dir)
    exercises = course()
    print(json.dumps(feedback.overview_json(folder, exercises), ensure_ascii=False) if options.json
          else feedback.overview(folder, exercises))
    if folder.progress.read().get("damaged"):
        notice("progress.json cannot be read;  verify  counts again what you have solved")
    return 0


def hint_(options) -> int:
    folder = find_folder(options.dir)
    one = exercise(options.name, folder)
    level = folder.progress.hinted(one.name, LEVELS)
    said = hint(one, level, folder.text(one))
    print(json.dumps({"exercise": one.name, "level": level, "levels": LEVELS, "hint": said}, ensure_ascii=False)
          if options.json else f"{one.number:02d} {one.name}, hint {said}")
    notices(folder)
    return 0


def reset(options) -> int:
    folder = find_folder(options.dir)
    one = exercise(options.name, folder)
    path = folder.file(one)
    if path.exists() and not options.yes:
        print(f"{path.name} begins anew; your file is kept as a backup.  Go on? [y/N] ", end="", flush=True,
              file=sys.stderr)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            notice("nothing was changed")
            return 1
    backup = folder.reset(one)
    notices(folder)
    if options.json:
        print(json.dumps({"exercise": one.name, "backup": backup and str(backup)}))
    else:
        kept = f"; your file is now {backup.relative_to(folder.path)}" if backup else ""
        print(f"{path.name} is as it was at the start{kept}")
    return 0


def solution(options) -> int:
    folder = find_folder(options.dir)
    one = exercise(options.name, folder)
    if not folder.progress.of(one.name)["first_passed"]:
        notice(f"the solution of {one.name} is shown once you have passed it; until then there are hints:  {COMMAND} "
               f"hint {one.name}")
        return 1
    if options.json:
        print(json.dumps({"exercise": one.name, "solution": one.answer, "background": one.judge.BACKGROUND.strip()},
                         ensure_ascii=False))
    else:
        print(f"{one.answer.rstrip()}\n\n{paint('Background', 'bold')}\n{feedback.background(one)}")
    return 0


def verify(options) -> int:
    folder = find_folder(options.dir)
    exercises, passed = course(), 0
    results = []
    with Runner(options.limit) as runner:
        for n, one in enumerate(exercises):
            path = folder.file(one)
            if not path.is_file():
                notice(missing(folder, one))
                results.append({"exercise": one.name, "status": "missing"})
                continue
            job = runner.begin(one, path)
            if n + 1 < len(exercises):
                runner.prepare(exercises[n + 1])                           # it imports while this one is judged
            verdict = runner.wait(job)
            if verdict.passed or one.name not in folder.progress.read()["exercises"]:
                folder.progress.ran(one.name, verdict.passed, current=False)
            passed += verdict.passed
            results.append(feedback.as_json(verdict, folder.progress.of(one.name)["hints"]))
            if not options.json:
                mark = paint("✓", "green") if verdict.passed else paint("✗", "red")
                why = [f"{verdict.status}: {f.target} {f.code} {f.detail}" for f in verdict.findings[:1]]
                print(f"{mark} {one.number:02d} {one.name:<24}", *why, flush=True)
    notices(folder)
    print(json.dumps(results, ensure_ascii=False) if options.json else f"{passed} of {len(exercises)} are right")
    return 0 if passed == len(exercises) else 1


def watch(options) -> int:
    from .watch import Watch
    folder = find_folder(options.dir)
    current = exercise(options.name, folder) if options.name else folder.current()
    return Watch(folder, current, options.limit, options.json).loop()


def check(options) -> int:
    from .author import check as prove
    return prove([exercise(name) for name in options.name] or course(), options.kernels or ("numpy", "numba"),
                 options.json)
