"""What the examples share: means weigh every row once, options are refused in a sentence, files are whole or not there."""
import json
from argparse import Namespace

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import plot, study


def some(**more):
    return Namespace(**{"epochs": 2, "batch": 4, "lr": 0.01, "seed": 0, **more})


def test_one_epoch_weighs_rows_not_batches():
    """Ten rows in batches of four: the last batch has two, which count two."""
    rows, rng = np.arange(10.0), np.random.default_rng(0)
    seen = []
    means = study.one_epoch(lambda x: (seen.append(x), (x.mean(), 1.0))[1], rows, 4, desc="", terms=("mean", "one"), rng=rng)
    np.testing.assert_allclose(means, [4.5, 1.0], rtol=1e-15)
    assert sorted(np.concatenate(seen)) == list(rows) and [len(x) for x in seen] == [4, 4, 2]
    pairs = study.one_epoch(lambda x, t: float((x == t).mean()), (rows, rows), 3, desc="", terms=("equal",), rng=rng)
    assert pairs.tolist() == [1.0]


def test_evaluate_weighs_rows_and_records_nothing():
    rows, w = np.arange(1100.0), sn.Tensor(np.array(2.0), requires_grad=True)

    def loss(x):
        total = (w * x).mean()
        assert not total.requires_grad
        return [total, total * 2.0]
    np.testing.assert_allclose(study.evaluate(loss, rows, batch=500), [1099.0, 2198.0], rtol=1e-12)


def test_fit_warms_up_and_keeps_the_means(capsys):
    w = sn.Tensor(np.array(1.0), requires_grad=True)
    optimiser, rates = sn.optim.SGD([w], lr=1.0), []

    def step(x):
        rates.append(optimiser.lr)
        optimiser.t += 1
        return float(x.mean())
    history = study.fit(step, np.arange(8.0), some(), name="it", terms=("mean",), optimiser=optimiser, rng=np.random.default_rng(0))
    assert history == [{"mean": 3.5}, {"mean": 3.5}]
    np.testing.assert_allclose(rates, [0.005, 0.01, 0.01, 0.01])           # over the two batches of the first epoch
    assert "it, epoch 2: mean 3.50" in capsys.readouterr().out


@pytest.mark.parametrize("given, message", [
    (["--batch", "0"], "--batch is 0, expected 1 or more"), (["--train-images", "-3"], "--train-images is -3, expected 1"),
    (["--data", "cifar"], "invalid choice: 'cifar'"),
])
def test_wrong_options_get_a_sentence(given, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["example.py", *given])
    with pytest.raises(SystemExit):
        study.parse(study.parser("Title\nmore", out="out/x", epochs=3))
    assert message in capsys.readouterr().err


def test_options_have_their_defaults_and_choose_the_kernels(monkeypatch):
    monkeypatch.setattr("sys.argv", ["example.py", "--kernels", "numpy", "--seed", "0"])
    with sn.use_kernels(sn.kernel.mode):
        args = study.parse(study.parser("Title", out="out/x", epochs=3, batch=7))
        assert sn.kernel.mode == "numpy"
    assert (args.epochs, args.batch, args.seed, args.data, str(args.out)) == (3, 7, 0, "auto", "out/x")


def test_load_announces_the_data_and_ends_with_a_sentence_without(tmp_path, capsys, monkeypatch):
    args = some(data="digits", train_images=30, test_images=20, out=tmp_path / "new" / "folder")
    data = study.load(args)
    assert data.note == "drawn digits (not MNIST)" and len(data.images) == 30 and len(data.test_labels) == 20
    assert args.out.is_dir() and "training on drawn digits (not MNIST)" in capsys.readouterr().out

    def broken(*_):
        raise sn.data.DataFileError("train-images: not there; look elsewhere")
    monkeypatch.setattr(sn.data.datasets, "load", broken)
    monkeypatch.setattr(study.datasets, "load", broken)
    with pytest.raises(SystemExit, match="train-images: not there; look elsewhere"):
        study.load(args)


def test_metrics_are_whole_or_not_there(tmp_path):
    args = some(data="digits", out=tmp_path, kernels=None)
    data = study.Data("drawn digits (not MNIST)", [], *[np.zeros(1)] * 4)
    study.write_metrics(args, data, loss=1.5)
    told = json.loads((tmp_path / "metrics.json").read_text())
    assert told["loss"] == 1.5 and told["settings"]["epochs"] == 2 and told["version"] == sn.__version__
    with pytest.raises(TypeError):
        study.write_metrics(args, data, loss=object())
    assert json.loads((tmp_path / "metrics.json").read_text()) == told and [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_pictures_are_counted_and_captioned(tmp_path):
    to = study.Pictures(tmp_path, "MNIST", study.epochs(1))
    to.write(plot.images, np.zeros((3, 1, 4, 4)), to="three", title="Three")
    assert to.count == 1 and (tmp_path / "three.png").exists()
    assert (to.caption, study.epochs(2)) == ("MNIST, 1 epoch", "2 epochs")
