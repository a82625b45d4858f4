"""Made images against real ones: each number by its definition, its limits, and the reader that is trained once."""
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.metrics import class_shares, frechet_distance, inception_score, overlap, quality, reader, trained_reader
from scratchnet.metrics.generative import squared_distances
from tests.conftest import size

ROOT = Path(__file__).parent.parent


def cloud(n=400, d=5, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) @ np.diag(np.arange(1, d + 1)) + shift


# ---- Fréchet distance ------------------------------------------------------------------------------

def test_frechet_distance_is_0_to_itself_and_symmetric():
    a, b = cloud(), cloud(seed=1, shift=0.3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10) and frechet_distance(a, b) > 0


def test_frechet_distance_of_a_shifted_cloud_is_the_shift_squared():
    a = cloud()
    assert frechet_distance(a, a + [1, 2, 0, 0, 0]) == pytest.approx(5, rel=1e-10)


def test_frechet_distance_where_both_covariances_are_diagonal():
    """Then d² = Σ (σ − τ)², axis by axis: whitened clouds have exactly the covariances given to them."""
    d = cloud(d=4, seed=2)
    d -= d.mean(axis=0)
    white = d @ np.linalg.inv(np.linalg.cholesky(np.cov(d.T))).T
    s, t = np.array([1.0, 2, 3, 0.5]), np.array([2.0, 2, 1, 0])
    assert frechet_distance(white * s, white * t) == pytest.approx(np.sum((s - t) ** 2), rel=1e-9)


def test_frechet_distance_equals_its_formula_with_a_general_matrix_root():
    """(ΣT)^½ by the eigenvalues of the product, which is not symmetric: another way than the code's."""
    a, b = cloud(), cloud(seed=1) @ np.random.default_rng(3).standard_normal((5, 5))
    S, T = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(S @ T).real).sum()
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(S) + np.trace(T) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_flat_clouds_is_finite():
    """Dead features (ReLUs that never fire) make both covariances singular."""
    a, b = cloud(), cloud(seed=1)
    a[:, 2:], b[:, 2:] = 0, 0
    assert 0 <= frechet_distance(a, b) == pytest.approx(frechet_distance(a[:, :2], b[:, :2]), abs=1e-9)


# ---- score, shares, overlap ------------------------------------------------------------------------

def test_score_at_its_limits():
    assert inception_score(np.eye(10)[np.arange(1000) % 10]) == pytest.approx(10)       # sure, and all equally often
    assert inception_score(np.eye(10)[np.zeros(50, int)]) == pytest.approx(1)           # sure, always the same
    assert inception_score(np.full((50, 10), 0.1)) == pytest.approx(1)                  # cannot tell
    p = np.array([[0.7, 0.3], [0.2, 0.8]])
    m = p.mean(axis=0)
    assert inception_score(p) == pytest.approx(np.exp(np.mean([(r * np.log(r / m)).sum() for r in p])))


def test_class_shares_count_the_likeliest():
    p = np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0.2, 0.8, 0], [0.9, 0.1, 0]])
    np.testing.assert_array_equal(class_shares(p), [0.5, 0.5, 0])


def test_overlap_equals_its_definition(monkeypatch):
    """Ball by ball, in plain loops; blocks so small that there are several."""
    monkeypatch.setattr("scratchnet.metrics.generative.BLOCK", 7)
    real, made, k = cloud(40), cloud(30, seed=1, shift=1.0), 3

    def balls(points):
        return [sorted(np.linalg.norm(p - q) for j, q in enumerate(points) if j != i)[k - 1] for i, p in enumerate(points)]
    r, m = balls(real), balls(made)
    in_real = [[np.linalg.norm(x - p) <= radius for p, radius in zip(real, r)] for x in made]
    in_made = [[np.linalg.norm(x - p) <= radius for p, radius in zip(made, m)] for x in real]
    expected = (np.mean([any(row) for row in in_real]), np.mean([any(row) for row in in_made]),
                np.sum(in_real) / (k * len(made)), np.mean(np.any(in_real, axis=0)))
    assert tuple(overlap(real, made, k)) == pytest.approx(expected)


def test_overlap_at_its_limits():
    a = cloud(200)
    assert tuple(overlap(a, a))[:2] == (1, 1) and overlap(a, a).coverage == 1
    assert tuple(overlap(a, a + 1000)) == (0, 0, 0, 0)
    one_heap = np.concatenate([a, a + 1000])                               # made points show only the first heap
    half = overlap(one_heap, cloud(200, seed=3))
    assert half.precision > 0.8 and 0.35 < half.coverage < 0.5 and half.recall <= 0.5


def test_squared_distances_are_never_negative():
    a = cloud(50, shift=1e6)
    assert squared_distances(a, a).min() >= 0


@pytest.mark.parametrize("call, words", [
    (lambda: frechet_distance(cloud(), cloud(d=4)), r"real \(400, 5\) and made \(400, 4\), expected as many columns"),
    (lambda: frechet_distance(cloud(1), cloud()), r"real: got \(1, 5\), expected an array \(N, D\) with N ≥ 2"),
    (lambda: frechet_distance(cloud(), np.full((9, 5), np.nan)), "made: row 0 is not finite"),
    (lambda: frechet_distance(cloud(), [[1.0]]), "made: got a list"),
    (lambda: overlap(cloud(), cloud(5)), r"made: got \(5, 5\), expected an array \(N, D\) with N ≥ 6"),
    (lambda: inception_score(cloud(5)), "expected rows of numbers ≥ 0 that sum to 1; of scores, take sn.softmax"),
    (lambda: class_shares(np.zeros((3, 10))), "sum to 1"),
])
def test_what_is_no_cloud_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---- the reader ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def few():
    return sn.data.draw_digits(400, 0)


def test_reader_is_trained_once_and_found_again(few, tmp_path, monkeypatch):
    first = trained_reader(*few, epochs=1, folder=tmp_path)
    file, = tmp_path.iterdir()
    assert file.name.startswith("400-images-") and file.name.endswith("-1-epochs.npz")
    monkeypatch.setattr(reader, "train", lambda *args: pytest.fail("trained again"))
    second = trained_reader(*few, epochs=1, folder=tmp_path)
    np.testing.assert_array_equal(reader.features(first, few[0][:9]), reader.features(second, few[0][:9]))
    assert not second.training


def test_reader_of_other_images_is_another_file(few, tmp_path):
    for n in (64, 128):
        trained_reader(few[0][:n], few[1][:n], epochs=1, folder=tmp_path)
    trained_reader(few[0][64:128], few[1][64:128], epochs=1, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "other weights"])
def test_damaged_reader_is_trained_again_with_a_warning(damage, few, tmp_path):
    images, labels = few[0][:128], few[1][:128]
    good = trained_reader(images, labels, epochs=1, folder=tmp_path)
    file, = tmp_path.iterdir()
    raw = file.read_bytes()
    if damage == "cut":
        file.write_bytes(raw[:len(raw) // 2])
    elif damage == "flipped":
        file.write_bytes(raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:])
    elif damage == "foreign":
        sn.save(file, something=np.ones(3))
    else:                                                      # whole, but not the weights that the probe was made with
        parts = sn.load(file)
        sn.save(file, model={k: a * np.float32(1.5) for k, a in parts["model"].items()}, probe=parts["probe"])
    with pytest.warns(UserWarning, match="cannot be used .*the reader is trained again"):
        again = trained_reader(images, labels, epochs=1, folder=tmp_path)
    for name, array in good.state().items():
        np.testing.assert_array_equal(again.state()[name], array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")                         # and the file is whole again
        trained_reader(images, labels, epochs=1, folder=tmp_path)


def test_reader_works_where_nothing_can_be_kept(few, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert len(trained_reader(few[0][:64], few[1][:64], epochs=1, folder=tmp_path / "file").parameters()) == 8


BUILD = """import sys, pathlib, scratchnet as sn
images, labels = sn.data.draw_digits(64, 0)
model = sn.metrics.trained_reader(images, labels, epochs=1, folder=pathlib.Path(sys.argv[1]))
print(sn.metrics.features(model, images[:3]).tobytes().hex()[:4000])"""


def test_X1_several_processes_build_the_same_reader_at_once(tmp_path):
    """Each sees a whole file or none: all get the same features, and nothing else stays in the folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([sys.executable, "-W", "error::UserWarning", "-c", BUILD, tmp_path], text=True, env=env,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(size(2, 8))]
    outputs = [p.communicate(timeout=120) for p in processes]
    assert all(p.returncode == 0 for p in processes), outputs
    assert len({out for out, _ in outputs}) == 1 and len(list(tmp_path.iterdir())) == 1


def test_quality_tells_real_from_noise(few, tmp_path):
    images, labels = few
    model = trained_reader(images, labels, epochs=6, folder=tmp_path)
    noise = np.random.default_rng(0).random((100, 1, 28, 28)).astype(np.float32)
    real, bad = (quality(model, made, images[:100], images[100:]) for made in (images[200:300], noise))
    assert real.frechet < 0.2 * bad.frechet and real.coverage > 0.8 > 0.3 > bad.coverage
    assert real.score > 4 > bad.score and min(real.classes) > 0.02 and sum(real.classes) == pytest.approx(1)
    variance = reader.features(model, images[:100]).var(axis=0).sum()
    assert real.frechet_percent == pytest.approx(100 * real.frechet / variance, rel=1e-5)
