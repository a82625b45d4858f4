"""Every example runs headless at a small size, in a process of its own; the VAE's run can be interrupted and resumed."""
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from tests.runs import ENVIRONMENT, RUNS, needs

ROOT = Path(__file__).parent.parent
OUT = "out dir é"                               # a folder's name as people choose them
DIGITS = ["--data", "digits", "--train-images", 640]
SMALL = [*DIGITS, "--test-images", 640, "--epochs", 1]
VAE = ["05_vae.py", *DIGITS, "--test-images", 640, "--batch", 64]
EXAMPLES = {                                    # name -> script and options; OUT is in the run's own folder
    "01": ["01_two_layer_net.py"],
    "02": ["02_your_own_op.py"],
    "03": ["03_spiral.py", "--steps", 600],
    "04": ["04_classifier.py", "--data", "digits", "--epochs", 1, "--train-images", 3000],
    "05": [*VAE, "--epochs", 2, "--out", OUT],
    "05, one epoch": [*VAE, "--epochs", 1, "--out", OUT],
    "06": ["06_autoencoder.py", *SMALL, "--out", OUT, "--network", "dense", "--wide", 5],
    "07": ["07_ae_against_vae.py", *SMALL, "--out", OUT, "--pairs", 50, "--codes", 3],
    "08": ["08_three_losses.py", *SMALL, "--out", OUT, "--kl-epochs", 1],
    "08, KL only": ["08_three_losses.py", *SMALL, "--train-images", 6400, "--batch", 64, "--out", OUT],
    "09": ["09_clusters.py", *DIGITS, "--epochs", 1, "--batch", 64, "--most", 4, "--starts", 2, "--out", OUT],
    "10": ["10_deep_clustering.py", *SMALL, "--out", OUT, "--dec-epochs", 2, "--dec-batch", 64, "--every", 10],
    "15": ["15_step_through.py"],
    "16": ["16_inspect.py", "--data", "digits", "--steps", 3],
}


def run(words, cwd):
    script, *options = [cwd / OUT if word == OUT else str(word) for word in words]
    return subprocess.run([sys.executable, ROOT / "examples" / script, *options], capture_output=True, text=True, cwd=cwd,
                          env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)})


def in_two_parts(folder):
    return run(EXAMPLES["05, one epoch"], folder), run([*EXAMPLES["05"], "--resume"], folder)


RUNS.update({name: partial(run, words) for name, words in EXAMPLES.items()}, **{"05, in two parts": in_two_parts})


def last_line(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def is_picture(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 2000


@needs("01")
def test_01_two_layer_net(ran):
    assert float(last_line(ran[1]).split()[-1]) < 1e-12


@needs("02")
def test_02_your_own_op(ran):
    assert last_line(ran[1]).startswith("the wrong rule was caught: x: x is used 2 times")


@needs("03")
def test_03_spiral(ran):
    folder, done = ran
    assert int(last_line(done).split()[0]) >= 285 and is_picture(folder / "out/spiral.png")


@needs("04")
def test_04_classifier(ran):
    folder, done = ran
    assert float(last_line(done).split()[0]) > 80
    for name in ("training", "mistakes", "filters"):
        assert is_picture(folder / f"out/classifier/{name}.png")


@needs("15")
def test_15_step_through(ran):
    assert float(last_line(ran[1]).split()[-1]) <= 1e-15


@needs("09")
def test_09_clusters(ran):
    """The three facts about a cluster (number, majority digit, count) come from one place, and agree with the counts."""
    out = ran[0] / OUT
    assert "wrote 14 pictures, metrics.json and model.npz" in last_line(ran[1])
    names = [*(f"cluster_{j}" for j in range(10)), "who_is_where", "centres", "inertia", "over_k"]
    assert all(is_picture(out / f"{name}.png") for name in names)
    metrics = json.loads((out / "metrics.json").read_text())
    for view in ("pixels", "principal components", "codes", "whitened codes"):
        for split in ("train", "test"):
            assert 0 < metrics["results"][view][split]["accuracy"] <= metrics["results"][view][split]["purity"] <= 1
    assert metrics["results"]["pixels"]["test"]["accuracy"] > 0.3
    clusters = metrics["clusters"]
    assert [c["cluster"] for c in clusters] == list(range(10)) and sum(c["of"] for c in clusters) == 10_000
    purity = sum(c["count"] for c in clusters) / 10_000
    assert purity == pytest.approx(metrics["results"]["codes"]["test"]["purity"])


@needs("16")
def test_16_inspect(ran):
    folder, done = ran
    assert last_line(done) == "wrote 2 pages to out/inspect"
    for name in ("vae", "wrong"):
        assert (folder / f"out/inspect/{name}.html").stat().st_size < 5e6


@needs("05")
def test_05_vae_writes_everything_it_promises(ran):
    folder, done = ran
    out = folder / OUT
    assert last_line(done) == f"wrote 10 pictures, metrics.json and checkpoint.npz to {out}"
    pictures = sorted(p.name for p in out.glob("*.png"))
    assert pictures == sorted(f"{n}.png" for n in (
        "reconstructions", "latent", "clouds", "manifold_quantiles", "manifold_linear", "interpolations", "samples",
        "losses", "topology", "arithmetic"))
    assert all(is_picture(out / name) for name in pictures)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data"] == "drawn digits (not MNIST)" and metrics["parameters"] == 134_165
    assert "training on drawn digits (not MNIST)" in done.stdout and "epoch 2/2" in done.stderr
    assert not list(out.glob(".*")), "temporary files were left"


@needs("05", "05, in two parts")
def test_R1_resume_equals_an_unbroken_run_bit_for_bit(ran):
    (unbroken, done), (resumed, parts) = ran
    for one in (done, *parts):
        last_line(one)
    whole, parts = (sn.load(p / OUT / "checkpoint.npz") for p in (unbroken, resumed))
    for part in ("model", "optimiser"):
        for name, array in whole[part].items():
            np.testing.assert_array_equal(array, parts[part][name], err_msg=name)
    same = [{k: v for k, v in e.items() if k != "seconds"} for e in json.loads(whole["history"])]
    assert same == [{k: v for k, v in e.items() if k != "seconds"} for e in json.loads(parts["history"])]


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(tmp_path):
    args = [sys.executable, str(ROOT / "examples/05_vae.py"), "--data", "digits", "--out", str(tmp_path), "--epochs", "1",
            "--train-images", "10000", "--batch", "4", "--test-images", "640"]     # 2500 steps: more than one second
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.time() + 120
    while not (tmp_path / "checkpoint.npz").exists() and time.time() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)                                                        # in the middle of the first epoch
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "--resume continues from there" in err and "Traceback" not in err
    assert sn.load(tmp_path / "checkpoint.npz")["history"] == "[]"


@pytest.mark.parametrize("pictures", [
    pytest.param("denoising gaps latent losses reconstructions topology", marks=needs("06"), id="06"),
    pytest.param("codes gaps grids lines draws confidences losses strips", marks=needs("07"), id="07"),
    pytest.param("latent draws losses terms", marks=needs("08"), id="08"),
    pytest.param("augmented progress codes clusters who_is_where", marks=needs("10"), id="10"),
])
def test_06_to_10_write_everything_they_promise(ran, pictures):
    folder, done = ran
    out = folder / OUT
    assert f"wrote {len(pictures.split())} pictures" in last_line(done) and last_line(done).endswith(str(out))
    assert sorted(p.stem for p in out.glob("*.png")) == sorted(pictures.split())
    assert all(is_picture(picture) for picture in out.glob("*.png"))
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data"] == "drawn digits (not MNIST)" and metrics["settings"]["epochs"] == 1
    assert not list(out.glob(".*")), "temporary files were left"


@pytest.mark.full
@needs("08, KL only")
def test_08_kl_only_collapses_and_says_so(ran):
    """Part E at a small size: what the three losses do is in the numbers already."""
    last_line(ran[1])
    results = json.loads((ran[0] / OUT / "metrics.json").read_text())["results"]
    assert results["KL only"]["test_kl"] < 0.01 and results["KL only"]["neighbour_accuracy"] <= 0.2
    assert results["KL only"]["test_reconstruction"] > 400 > 300 > results["both"]["test_reconstruction"]


@pytest.mark.parametrize("options, message", [
    (["--epochs", "0"], "--epochs is 0, expected 1 or more"),
    (["--data", "cifar"], "invalid choice"),
    (["--resume", "--latent", "3"], "was made with --latent 2, not 3"),
])
@needs("05")
def test_wrong_options_get_a_sentence(ran, options, message):
    folder, _ = ran
    done = run([*VAE, "--out", OUT, *options], folder)
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_auto_without_a_network_says_that_digits_are_drawn(tmp_path):
    """No data folder, an empty cache, and a proxy that refuses: the choice of an offline machine."""
    nowhere = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SCRATCHNET_DATA": str(tmp_path),
               "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    code = "import scratchnet as sn; name, why = sn.data.choose('auto'); print(name); print(why)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
                         env={**os.environ, **nowhere}).stdout
    assert out.startswith("digits\n") and "drawn digits" in out and "--data digits" in out
