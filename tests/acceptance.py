"""The long trainings: do the models reach what they should on real MNIST?

    SCRATCHNET_DATA=… python -m tests.acceptance             all (about half an hour on two cores)
    SCRATCHNET_DATA=… python -m tests.acceptance vae2        one of them

Each runs an example as its users do, reads its metrics.json, and writes a line to docs/results.md with the
commit.  Exits with 1 if a goal is missed.
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/results.md"


def example(script: str, *options) -> tuple[dict, float]:
    """(metrics, seconds) of one run."""
    with tempfile.TemporaryDirectory() as out:
        start = time.time()
        subprocess.run([sys.executable, ROOT / "examples" / script, "--data", "mnist", "--out", out, *map(str, options)],
                       check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        return json.loads((Path(out) / "metrics.json").read_text()), time.time() - start


def vae2():
    """VAE, 2 codes, 10 epochs, median of 3 seeds: test loss at most 155.3 nats (PyTorch, one seed: 154.3)"""
    runs = [example("05_vae.py", "--epochs", 10, "--seed", seed) for seed in range(3)]
    losses = [metrics["test_loss"] for metrics, _ in runs]
    median = statistics.median(losses)
    return median <= 155.3, f"{median:.2f} ({', '.join(f'{v:.2f}' for v in losses)}), {runs[0][1]:.0f} s a run"


def vae20():
    """VAE, 20 codes, dense 256, 10 epochs: test loss, aim 105.8 nats (PyTorch's dense VAE example)"""
    metrics, seconds = example("05_vae.py", "--epochs", 10, "--latent", 20, "--hidden", 256)
    return True, f"{metrics['test_loss']:.2f}, {seconds:.0f} s"


def classifier():
    """Classifier, 6 epochs: at least 99.2 % of the test images, in under 4 minutes"""
    metrics, seconds = example("04_classifier.py")
    accuracy = metrics["test_accuracy"][-1]
    return accuracy >= 0.992 and seconds < 240, f"{100 * accuracy:.2f} %, {seconds:.0f} s"


TRAININGS = {f.__name__: f for f in (classifier, vae2, vae20)}


def commit() -> str:
    def git(*args):
        return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "no commit") + (" + changes" if git("status", "--porcelain", "scratchnet", "examples") else "")


def record(name: str, line: str) -> None:
    """Put the line of this training into the table, in place of its former one."""
    lines = [row for row in PAGE.read_text().splitlines() if not row.startswith(f"| {name} |")]
    PAGE.write_text("\n".join([*lines, line]) + "\n")


def main(names: list[str]) -> int:
    missed = []
    for name in names or TRAININGS:
        if name not in TRAININGS:
            sys.exit(f"{name!r} is none of {', '.join(TRAININGS)}")
        training = TRAININGS[name]
        reached, result = training()
        print(f"{name}: {result}{'' if reached else '   MISSED'}", flush=True)
        record(name, f"| {name} | {training.__doc__} | {result} | {'yes' if reached else 'no'} | {commit()}, {date.today()} |")
        missed += [] if reached else [name]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
