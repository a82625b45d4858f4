"""The GAN examples at a small size, in this process: pictures, resume, interruption, refusals; the ring's heaps."""
import importlib.util
import json
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.metrics import reader

EXAMPLES = Path(__file__).parent.parent / "examples"
PICTURES = {"samples", "learning", "game", "interpolations", "nearest", "classes", "topology"}

SMALL = ("--data", "digits", "--train-images", 200, "--test-images", 60, "--samples", 50, "--reader-epochs", 1, "--batch", 32)


@pytest.fixture
def start(tmp_path, monkeypatch, capsys):
    """start("12_dcgan.py", "--epochs", 2): the example as a script, on a few drawn digits; (exit message, stdout, stderr)."""
    monkeypatch.setattr(reader, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(script, *options, out=tmp_path / "out", draws=False):
        if not draws:              # the pictures take most of the time
            monkeypatch.setattr(importlib.import_module("gan_study"), "draw", lambda *args: 0)
        monkeypatch.setattr(sys, "argv", [script, "--out", str(out), *map(str, (*SMALL, *options))])
        message = None
        try:
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        except SystemExit as stop:
            message = stop.code
        printed = capsys.readouterr()
        return message, printed.out, printed.err
    return run


def is_picture(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 2000


def assert_same_run(whole: Path, parts: Path) -> None:
    """Bit for bit: weights, averages, statistics, u, optimisers, generator of random numbers, pictures, curves, quality."""
    one, two = (sn.load(folder / "checkpoint.npz") for folder in (whole, parts))
    for part in ("gan", "average", "of_generator", "of_discriminator"):
        assert one[part].keys() == two[part].keys()
        for name, array in one[part].items():
            np.testing.assert_array_equal(array, two[part][name], err_msg=f"{part} {name}")
    np.testing.assert_array_equal(one["frames"], two["frames"])
    assert one["rng"].bit_generator.state == two["rng"].bit_generator.state
    one, two = ([{k: v for k, v in e.items() if "seconds" not in k} for e in json.loads(p["history"])] for p in (one, two))
    assert one == two
    one, two = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, parts))
    assert one["quality"] == two["quality"] and one["quality_of_last_weights"] == two["quality_of_last_weights"]


def test_12_dcgan_writes_what_it_promises_and_resume_equals_an_unbroken_run_bit_for_bit(start, tmp_path):
    from PIL import Image
    message, said, bar = start("12_dcgan.py", "--epochs", 2, "--batch", 16, draws=True)
    out = tmp_path / "out"
    assert message is None and f"wrote 7 pictures, learning.gif, metrics.json and checkpoint.npz to {out}" in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("Fréchet distance ") and "smallest class" in last and "coverage" in last
    assert "training on drawn digits (not MNIST)" in said and "epoch 2/2" in bar and "D is right in" in bar
    assert {p.stem for p in out.glob("*.png")} == PICTURES and all(map(is_picture, out.glob("*.png")))
    assert Image.open(out / "learning.gif").n_frames >= 3 and not list(out.glob(".*")), "temporary files were left"
    metrics = json.loads((out / "metrics.json").read_text())
    assert len(metrics["history"]) == 2 and len(metrics["quality"]["classes"]) == 10 and metrics["parameters"] == 842_178

    for epochs, more in ((1, []), (2, ["--resume"])):
        assert start("12_dcgan.py", "--epochs", epochs, "--batch", 16, *more, out=tmp_path / "parts")[0] is None
    assert_same_run(out, tmp_path / "parts")


@pytest.mark.parametrize("script, recipe", [("11_gan.py", "r1"), ("12_dcgan.py", "textbook"), ("12_dcgan.py", "no-trunk")])
def test_recipes_that_no_other_test_plays_run(start, tmp_path, script, recipe):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        message, said, _ = start(script, "--recipe", recipe, "--epochs", 1, "--train-images", 80)
    assert message is None and "wrote 0 pictures" in said and said.splitlines()[-1].startswith("Fréchet distance ")
    history = json.loads((tmp_path / "out/metrics.json").read_text())["history"][0]
    assert all(np.isfinite(history[key]).all() for key in ("discriminator", "generator", "accuracy"))


@pytest.mark.parametrize("script, recipe", [("12_dcgan.py", "spectral"), ("14_wgan_gp.py", "wgan-gp")])
def test_ctrl_c_leaves_the_last_whole_epoch_and_resume_equals_an_unbroken_run(start, tmp_path, monkeypatch, script, recipe):
    """Stopped in the midst of the second of three epochs: u of the spectral norm, the averages and the turn of G go on, too."""
    from scratchnet.models import gan
    step, steps = gan.train_step, []

    def interrupted(*args, **settings):
        steps.append(1)
        if len(steps) == 5:                                    # 4 steps an epoch
            raise KeyboardInterrupt
        return step(*args, **settings)
    few = "--train-images", 100, "--recipe", recipe
    with monkeypatch.context() as m:
        m.setattr(gan, "train_step", interrupted)
        sys.modules.pop("gan_study", None)                     # it takes train_step by name when it is imported
        message, _, _ = start(script, "--epochs", 2, *few, out=tmp_path / "parts")
    sys.modules.pop("gan_study", None)
    assert "holds the state after epoch 1: --resume continues from there" in message
    assert len(json.loads(sn.load(tmp_path / "parts/checkpoint.npz")["history"])) == 1
    assert start(script, "--epochs", 3, "--resume", *few, out=tmp_path / "parts")[0] is None
    assert start(script, "--epochs", 3, *few, out=tmp_path / "whole")[0] is None
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_M_nan_stops_the_training_and_names_step_loss_and_last_finite_checkpoint(start, tmp_path):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message, _, _ = start("11_gan.py", "--epochs", 2, "--lr", 1e30)
    assert "step 1: the generator's loss is" in message or "step 2: the discriminator's loss is" in message, message
    assert f"The last finite checkpoint is {tmp_path / 'out/checkpoint.npz'}, the state after epoch 0" in message
    parts = sn.load(tmp_path / "out/checkpoint.npz")
    assert all(np.isfinite(a).all() for a in parts["gan"].values())


def test_M_weights_that_are_not_finite_after_the_last_step_are_not_saved(start, tmp_path, monkeypatch):
    from scratchnet.models import gan
    step = gan.train_step

    def spoiling(players, *args, **settings):
        turn, w = step(players, *args, **settings), players.generator.parameters()[0]
        w.data = np.full(w.shape, np.nan, np.float32)
        return turn
    with monkeypatch.context() as m:
        m.setattr(gan, "train_step", spoiling)
        sys.modules.pop("gan_study", None)
        message, _, _ = start("11_gan.py", "--epochs", 1, "--train-images", 32)
    sys.modules.pop("gan_study", None)
    assert "step 1: a weight is not finite any more, after losses of " in message and " for D and " in message
    assert "The last finite checkpoint is " in message and "the state after epoch 0" in message
    assert all(np.isfinite(a).all() for a in sn.load(tmp_path / "out/checkpoint.npz")["gan"].values())


def test_wrong_options_get_a_sentence(start, tmp_path):
    assert start("11_gan.py", "--epochs", 1, "--train-images", 64)[0] is None
    assert "was made with --latent 64, not 32" in start("11_gan.py", "--train-images", 64, "--resume", "--latent", 32)[0]
    assert "was made with --recipe dense, not r1" in start("12_dcgan.py", "--resume", "--train-images", 64)[0]
    sn.save(tmp_path / "checkpoint.npz", epoch=3)
    assert "is not a checkpoint of this example, it has ['epoch']" in start("11_gan.py", "--resume", out=tmp_path)[0]
    assert "--resume: " in start("11_gan.py", "--resume", out=tmp_path / "nowhere")[0]
    for options, words in ((("--batch", 1), "--batch is 1, expected 2 or more"), (("--lr", 0), "--lr is 0.0, expected a positive"),
                           (("--epochs", 0), "--epochs is 0, expected 1 or more"), (("--recipe", "best"), "invalid choice")):
        message, _, err = start("12_dcgan.py", *options)
        assert message == 2 and words in err


# ---- the ring --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def ring():
    spec = importlib.util.spec_from_file_location("ring", EXAMPLES / "13_ring.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bar:
    def update(self, n):
        pass


def test_heaps_are_counted_as_defined(ring):
    rng = np.random.default_rng(0)
    points = ring.real_points(4000, rng)
    assert ring.covered(points) == 8
    assert ring.covered(points[np.linalg.norm(points - ring.CENTRES[3], axis=1) > 1]) == 7
    assert ring.covered(np.zeros((100, 2))) == 0 and ring.covered(np.repeat(ring.CENTRES[:1], 100, axis=0)) == 1
    few = np.concatenate([np.repeat(ring.CENTRES[:1], 980, axis=0), np.repeat(ring.CENTRES[1:2], 20, axis=0)])
    assert ring.covered(few) == 1                              # one point in fifty is a stray


@pytest.mark.full
def test_M_repaired_recipe_covers_the_ring_on_ten_of_ten_seeds_and_the_plain_one_collapses(ring):
    assert [ring.play("repaired", seed, ring.STEPS, Bar())[-1].covered for seed in range(10)] == [8] * 10
    assert np.median([ring.play("plain", seed, ring.STEPS, Bar())[-1].covered for seed in range(5)]) <= 4


@pytest.mark.parametrize("name", ["plain", "repaired"])
def test_R1_games_on_the_ring_repeat_bit_for_bit(ring, name):
    one, two = (ring.play(name, 1, 30, Bar()) for _ in "ab")
    assert one[0].step == 0 and one[-1].step == 30
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a.made, b.made)
        np.testing.assert_array_equal(a.field, b.field)


def test_13_ring_draws_both_games(ring, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ring, "SHOTS", 6)
    monkeypatch.setattr(sys, "argv", ["13_ring.py", "--steps", "20", "--seeds", "1", "--out", str(tmp_path / "out")])
    ring.main()
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("heaps covered of 8: plain ")
    assert is_picture(tmp_path / "out/ring.png") and is_picture(tmp_path / "out/modes.png")
    assert (tmp_path / "out/ring.gif").read_bytes()[:6] == b"GIF89a"
    assert json.loads((tmp_path / "out/metrics.json").read_text())["covered"].keys() == {"plain", "repaired"}
