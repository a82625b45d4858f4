"""What is said about the machine, and the page docs/benchmarks.md."""
from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE, CHART = ROOT / "docs/benchmarks.md", ROOT / "docs/images/benchmarks-growth-{threads}.png"
TITLES = {"steps": "Whole training steps", "ops": "Single convolutions", "kernels": "Kernels against their references",
          "kmeans": "k-means", "memory": "Peak memory", "growth": "Growth",
          "start": "From the start of Python to the first step"}


def cpu() -> str:
    """The processor's name and how many this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        name = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        name = platform.processor() or platform.machine()
    return f"{name}, {cores} core{'s' * (cores != 1)}"


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package, name in {"numpy": "NumPy", "numba": "Numba", "torch": "PyTorch", "tensorflow-cpu": "TensorFlow",
                          "tensorflow": "TensorFlow", "keras": "Keras", "scikit-learn": "scikit-learn"}.items():
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:
            pass
    return ", ".join(found)


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    try:
        return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "scratchnet") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def described(threads: int) -> str:
    return (f"{cpu()}; {platform.system()}; {versions()}; {datetime.date.today()}; commit {commit()}; "
            f"{threads} thread{'s' * (threads != 1)}")


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def load_line(threads: int, state: dict, idle: float) -> str:
    busy = threads > 1 and (state["before"] is None or state["before"] > idle)
    return (f"load before {number(state['before'])}, after {number(state['after'])} (this run included); other processes "
            f"used {number(state['others'])} cores" + (f"; NOT IDLE: figures at {threads} threads count below "
                                                       f"a load of {idle} only" if busy else ""))


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def notes() -> dict[str, str]:
    """One sentence for each section."""
    from . import clusters, growth, measure, processes
    functions = {"steps": measure.steps, "ops": measure.ops, "kernels": measure.kernels, "kmeans": clusters.kmeans,
                 "memory": processes.memory, "growth": growth.growth, "start": processes.start}
    return {name: function.__doc__ for name, function in functions.items()}


def write(results: dict, chosen, state: dict, idle: float) -> None:
    """Replace this run's sections of the page, each between two comments; the rest of the page stays."""
    from . import growth
    threads = chosen.threads
    page = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    for name, (headings, rows) in results.items():
        apart = f" --apart {chosen.apart}" if name == "steps" and chosen.apart else ""
        command = f"python -m tests.benchmarks --threads {threads} --only {name} --rounds {chosen.rounds}{apart}"
        note = notes()[name] + f" The libraries take turns in processes of their own, {chosen.apart} of each." * bool(apart)
        text = [f"## {TITLES[name]}, {threads} thread{'s' * (threads != 1)}", note, markdown(headings, rows)]
        if name == "growth":
            picture = Path(str(CHART).format(threads=threads))
            growth.chart((headings, rows), picture, f"{cpu()}, {threads} thread(s), {datetime.date.today()}")
            text.append(f"![time and memory against batch and image size](images/{picture.name})")
        text.append(f"`{command}` on {described(threads)}. {load_line(threads, state, idle)}.")
        page = replaced(page, f"{name} {threads}", "\n\n".join(text))
    PAGE.write_text(page)
    if "kernels" in results:                    # docs/kernels.md quotes them
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "docs/generate.py"], cwd=ROOT, env=env, check=True)


def replaced(page: str, key: str, text: str) -> str:
    """The page with the section `key` replaced, or added at its end."""
    begin, end = f"<!-- begin {key} -->", f"<!-- end {key} -->"
    section = f"{begin}\n{text}\n{end}"
    if begin in page:
        return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: section, page, flags=re.S)
    return f"{page.rstrip()}\n\n{section}\n"
