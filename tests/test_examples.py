"""Every example runs headless at a small size; the VAE's run can be interrupted and resumed."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn

ROOT = Path(__file__).parent.parent
VAE_RUN = ["examples/05_vae.py", "--data", "digits", "--train-images", "640", "--test-images", "640", "--batch", "64"]
SMALL = ["--data", "digits", "--train-images", 640, "--test-images", 640, "--epochs", 1]


def run(args, cwd, **env):
    args = [sys.executable, str(ROOT / args[0]), *map(str, args[1:])]
    return subprocess.run(args, capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **env})


def last_line(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def is_picture(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 2000


def test_01_two_layer_net(tmp_path):
    line = last_line(run(["examples/01_two_layer_net.py"], tmp_path))
    assert float(line.split()[-1]) < 1e-12


def test_02_your_own_op(tmp_path):
    assert last_line(run(["examples/02_your_own_op.py"], tmp_path)).startswith("the wrong rule was caught: x: x is used 2 times")


def test_03_spiral(tmp_path):
    line = last_line(run(["examples/03_spiral.py", "--steps", 600], tmp_path))
    assert int(line.split()[0]) >= 285 and is_picture(tmp_path / "out/spiral.png")


def test_04_classifier(tmp_path):
    line = last_line(run(["examples/04_classifier.py", "--data", "digits", "--epochs", 1, "--train-images", 3000], tmp_path))
    assert float(line.split()[0]) > 80
    for name in ("training", "mistakes", "filters"):
        assert is_picture(tmp_path / f"out/classifier/{name}.png")


def test_15_step_through(tmp_path):
    assert float(last_line(run(["examples/15_step_through.py"], tmp_path)).split()[-1]) <= 1e-15


def test_09_clusters(tmp_path):
    """The three facts about a cluster (number, majority digit, count) come from one place, and agree with the counts."""
    done = run(["examples/09_clusters.py", "--data", "digits", "--epochs", 1, "--train-images", 640, "--batch", 64, "--most", 4,
                "--starts", 2, "--out", tmp_path], tmp_path)
    assert "wrote 14 pictures, metrics.json and model.npz" in last_line(done)
    names = [*(f"cluster_{j}" for j in range(10)), "who_is_where", "centres", "inertia", "over_k"]
    assert all(is_picture(tmp_path / f"{name}.png") for name in names)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for view in ("pixels", "principal components", "codes", "whitened codes"):
        for split in ("train", "test"):
            assert 0 < metrics["results"][view][split]["accuracy"] <= metrics["results"][view][split]["purity"] <= 1
    assert metrics["results"]["pixels"]["test"]["accuracy"] > 0.3
    assert [c["cluster"] for c in metrics["clusters"]] == list(range(10)) and sum(c["of"] for c in metrics["clusters"]) == 10_000
    purity = sum(c["count"] for c in metrics["clusters"]) / 10_000
    assert purity == pytest.approx(metrics["results"]["codes"]["test"]["purity"])
def test_16_inspect(tmp_path):
    assert last_line(run(["examples/16_inspect.py", "--data", "digits", "--steps", 3], tmp_path)) == "wrote 2 pages to out/inspect"
    for name in ("vae", "wrong"):
        assert (tmp_path / f"out/inspect/{name}.html").stat().st_size < 5e6


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Two epochs in one go."""
    folder = tmp_path_factory.mktemp("vae")
    return folder, run([*VAE_RUN, "--epochs", 2, "--out", folder / "out dir é"], folder)


def test_05_vae_writes_everything_it_promises(unbroken):
    folder, done = unbroken
    out = folder / "out dir é"
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


def test_R1_resume_equals_an_unbroken_run_bit_for_bit(unbroken, tmp_path):
    folder, _ = unbroken
    for epochs, more in ((1, []), (2, ["--resume"])):
        done = run([*VAE_RUN, "--epochs", epochs, "--out", tmp_path, *more], tmp_path)
        assert done.returncode == 0, done.stderr
    whole, parts = (sn.load(p / "checkpoint.npz") for p in (folder / "out dir é", tmp_path))
    for part in ("model", "optimiser"):
        for name, array in whole[part].items():
            np.testing.assert_array_equal(array, parts[part][name], err_msg=name)
    same = [{k: v for k, v in e.items() if k != "seconds"} for e in json.loads(whole["history"])]
    assert same == [{k: v for k, v in e.items() if k != "seconds"} for e in json.loads(parts["history"])]


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(tmp_path):
    args = [sys.executable, str(ROOT / "examples/05_vae.py"), "--data", "digits", "--out", str(tmp_path), "--epochs", "1"]
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


@pytest.mark.parametrize("script, options, pictures", [
    ("06_autoencoder.py", ["--network", "dense", "--wide", 5], "denoising gaps latent losses reconstructions topology"),
    ("07_ae_against_vae.py", ["--pairs", 50, "--codes", 3], "codes gaps grids lines draws confidences losses strips"),
    ("08_three_losses.py", ["--kl-epochs", 1], "latent draws losses terms"),
    ("10_deep_clustering.py", ["--dec-epochs", 2, "--dec-batch", 64, "--every", 10], "augmented progress codes clusters who_is_where"),
])
def test_06_to_10_write_everything_they_promise(script, options, pictures, tmp_path):
    out = tmp_path / "out dir é"
    done = run([f"examples/{script}", *SMALL, "--out", out, *options], tmp_path)
    assert f"wrote {len(pictures.split())} pictures" in last_line(done) and last_line(done).endswith(str(out))
    assert sorted(p.stem for p in out.glob("*.png")) == sorted(pictures.split())
    assert all(is_picture(picture) for picture in out.glob("*.png"))
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data"] == "drawn digits (not MNIST)" and metrics["settings"]["epochs"] == 1
    assert not list(out.glob(".*")), "temporary files were left"


@pytest.mark.full
def test_08_kl_only_collapses_and_says_so(tmp_path):
    """Part E at a small size: what the three losses do is in the numbers already."""
    done = run(["examples/08_three_losses.py", *SMALL, "--train-images", 6400, "--batch", 64, "--out", tmp_path], tmp_path)
    last_line(done)
    results = json.loads((tmp_path / "metrics.json").read_text())["results"]
    assert results["KL only"]["test_kl"] < 0.01 and results["KL only"]["neighbour_accuracy"] <= 0.2
    assert results["KL only"]["test_reconstruction"] > 400 > 300 > results["both"]["test_reconstruction"]


@pytest.mark.parametrize("options, message", [
    (["--epochs", "0"], "--epochs is 0, expected 1 or more"),
    (["--data", "cifar"], "invalid choice"),
    (["--resume", "--latent", "3"], "was made with --latent 2, not 3"),
])
def test_wrong_options_get_a_sentence(unbroken, options, message):
    folder, _ = unbroken
    done = run([*VAE_RUN, "--out", folder / "out dir é", *options], folder)
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_auto_without_a_network_says_that_digits_are_drawn(tmp_path):
    """No data folder, an empty cache, and a proxy that refuses: the choice of an offline machine."""
    nowhere = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SCRATCHNET_DATA": str(tmp_path),
               "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    code = "import scratchnet as sn; name, why = sn.data.choose('auto'); print(name); print(why)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
                         env={**os.environ, **nowhere}).stdout
    assert out.startswith("digits\n") and "drawn digits" in out and "--data digits" in out
