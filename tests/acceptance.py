"""The long trainings: do the models reach what they should on real MNIST?

    SCRATCHNET_DATA=… python -m tests.acceptance             all (about half an hour on two cores)
    SCRATCHNET_DATA=… python -m tests.acceptance vae2        one of them

Each runs an example as its users do, reads its metrics.json, and writes a line to docs/results.md with the
commit.  Exits with 1 if a goal is missed.
"""
from __future__ import annotations

import contextlib
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
    """(metrics, seconds) of one run; with SCRATCHNET_KEEP=folder its pictures stay there."""
    keep, data = os.environ.get("SCRATCHNET_KEEP"), [] if script == "13_ring.py" else ["--data", "mnist"]
    name = "-".join([Path(script).stem, *(str(option).lstrip("-") for option in options)])
    with contextlib.nullcontext(str(Path(keep, name))) if keep else tempfile.TemporaryDirectory() as out:
        start = time.time()
        subprocess.run([sys.executable, ROOT / "examples" / script, *data, "--out", out, *map(str, options)],
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


def clusters():
    """k-means: pixels, inertia within 0.1 % of scikit-learn's 2,352,825 (best of 10); codes, at least 72 % of the test images"""
    metrics, seconds = example("09_clusters.py")
    pixels, codes = metrics["results"]["pixels"], metrics["results"]["codes"]
    return pixels["inertia"] <= 1.001 * 2_352_825 and codes["test"]["accuracy"] >= 0.72, (
        f"{pixels['inertia']:,.0f}; {100 * codes['test']['accuracy']:.2f} % of the test images "
        f"(pixels {100 * pixels['test']['accuracy']:.2f} %), {seconds:.0f} s")


def three_losses():
    """VAE, reconstruction only, KL only (2 epochs), both (10): KL only has KL < 0.01 and 15 neighbours name at most 15 %, both at least 60 %"""
    metrics, seconds = example("08_three_losses.py", "--epochs", 10)
    alone, both = metrics["results"]["KL only"], metrics["results"]["both"]
    named = {name: f"{100 * r['neighbour_accuracy']:.1f} %" for name, r in metrics["results"].items()}
    reached = alone["test_kl"] < 0.01 and alone["neighbour_accuracy"] <= 0.15 and both["neighbour_accuracy"] >= 0.60
    return reached, f"KL {alone['test_kl']:.1e}; " + ", ".join(f"{k} {v}" for k, v in named.items()) + f"; {seconds:.0f} s"


def ae_against_vae():
    """Confidence of the reader halfway between digits, and for draws, with 50 codes (and with 2): VAE above AE on 3 of 3 seeds"""
    runs = [example("07_ae_against_vae.py", "--codes", 2, 50, "--seed", seed)[0]["confidence"] for seed in range(3)]
    told = {(codes, what): [(run[codes]["AE"][what], run[codes]["VAE"][what]) for run in runs]
            for codes in ("50", "2") for what in ("halfway between two digits", "draws")}
    reached = all(vae > ae for what in told if what[0] == "50" for ae, vae in told[what])
    return reached, "AE, VAE " + "; ".join(f"{what}, {codes} codes: " + ", ".join(f"{ae:.3f} {vae:.3f}" for ae, vae in pairs)
                                           for (codes, what), pairs in told.items())


def deep_clustering():
    """DEC, 5 seeds, test accuracy without labels: median at least 97.5 %, worst at least 95 %, each under 10 minutes"""
    runs = [example("10_deep_clustering.py", "--seed", seed) for seed in range(5)]
    found = [metrics["results"]["deep clustering"]["test"]["accuracy"] for metrics, _ in runs]
    slowest = max(seconds for _, seconds in runs)
    return statistics.median(found) >= 0.975 and min(found) >= 0.95 and slowest < 600, \
        f"{100 * statistics.median(found):.2f} % ({', '.join(f'{100 * a:.2f}' for a in found)}), at most {slowest:.0f} s"


def described(metrics: dict) -> str:
    """The quality of a GAN in a few words."""
    q = metrics["quality"]
    last = metrics["quality_of_last_weights"]["frechet"]
    return (f"Fréchet distance {q['frechet']:.2f} (last weights {last:.1f}, real images {q['floor']:.2f}), smallest class "
            f"{100 * min(q['classes']):.1f} %, coverage {q['coverage']:.2f}, {metrics['seconds']:.0f} s, "
            f"{metrics['processor_seconds']:.0f} s of processor time")


def gan_dense():
    """Dense GAN, 10 epochs, averaged weights: Fréchet distance at most that of PyTorch's twin, measured in the same run"""
    metrics, _ = example("11_gan.py")
    try:
        from tests.oracles.torch_gan import twin_of_the_dense_gan
    except ImportError:
        return True, f"{described(metrics)}; PyTorch is not installed, so not compared"
    theirs = twin_of_the_dense_gan(epochs=metrics["settings"]["epochs"], lr=metrics["settings"]["lr"])
    return metrics["quality"]["frechet"] <= theirs.frechet, \
        f"{described(metrics)}; PyTorch {theirs.frechet:.2f}, smallest class {100 * min(theirs.classes):.1f} %"


def gan_dense_r1():
    """Dense GAN with R1, 10 epochs: every class at least 7 %"""
    metrics, _ = example("11_gan.py", "--recipe", "r1")
    return min(metrics["quality"]["classes"]) >= 0.07, described(metrics)


def gan_conv():
    """Convolutional GAN with R1, 11 epochs: Fréchet distance at most 8, every class at least 7 %, at most 10 minutes"""
    metrics, _ = example("12_dcgan.py")
    q = metrics["quality"]
    return q["frechet"] <= 8 and min(q["classes"]) >= 0.07 and metrics["seconds"] <= 600, described(metrics)


def gan_textbook():
    """Textbook DCGAN, 8 epochs: for comparison"""
    return True, described(example("12_dcgan.py", "--recipe", "textbook")[0])


def gan_spectral():
    """DCGAN, hinge loss, spectral normalisation, 8 epochs: for comparison"""
    return True, described(example("12_dcgan.py", "--recipe", "spectral")[0])


def gan_no_trunk():
    """DCGAN of textbook shape, but with R1 instead of norms in D, 8 epochs: for comparison"""
    return True, described(example("12_dcgan.py", "--recipe", "no-trunk")[0])


def gan_no_penalty():
    """The networks of gan_conv without the penalty, 8 epochs: for comparison"""
    return True, described(example("12_dcgan.py", "--recipe", "no-penalty")[0])


def wgan_gp():
    """WGAN-GP: for comparison"""
    return True, described(example("14_wgan_gp.py")[0])


def ring():
    """Ring of 8 Gaussians, 10 seeds: at the end the repaired recipe covers all 8 on each; the plain one at most half of them on
    average over the second half of the game"""
    metrics, _ = example("13_ring.py", "--seeds", 10)
    covered, later = metrics["covered"], {name: statistics.mean(sum((row[len(row) // 2:] for row in rows), []))
                                          for name, rows in metrics["over_time"].items()}
    return min(covered["repaired"]) == 8 and later["plain"] <= 4, "; ".join(
        f"{name} {' '.join(map(str, counts))} (second half {later[name]:.1f})" for name, counts in covered.items())


TRAININGS = {f.__name__: f for f in (classifier, vae2, vae20, three_losses, ae_against_vae, clusters, deep_clustering,
                                     gan_dense, gan_dense_r1, gan_conv, gan_textbook, gan_spectral,
                                     gan_no_trunk, gan_no_penalty, wgan_gp, ring)}


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
        record(name, f"| {name} | {' '.join(training.__doc__.split())} | {result} | {'yes' if reached else 'no'} | "
                     f"{commit()}, {date.today()} |")
        missed += [] if reached else [name]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
