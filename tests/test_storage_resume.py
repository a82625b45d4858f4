"""C6, C7: the file of another model is refused in a sentence; training that goes on is as if it had never stopped."""
from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, Dropout, ReLU, Sequential
from scratchnet.optim import SGD, Adam, AdamW, RMSProp
from scratchnet.storage import CheckpointError, load, save
from tests.storage_tools import answer, helper, raw_save, same


# ---- C6: the wrong file for this model ----------------------------------------------------------

def net(hidden: int = 4) -> Sequential:
    return Sequential(Dense(3, hidden, rng=0), ReLU(), Dense(hidden, 2, rng=1))


def through_file(path: Path, state) -> dict:
    save(path, model=state)
    return load(path)["model"]


@pytest.mark.parametrize("change, words", [
    (lambda s: net(5).state(), r"'layers.0.w' is float32 \(3, 5\), but this one needs float32 \(3, 4\)"),
    (lambda s: net().astype(np.float64).state(), r"'layers.0.w' is float64 \(3, 4\), but .* float32 \(3, 4\)"),
    (lambda s: {k: v for k, v in s.items() if k != "layers.2.b"}, r"missing \['layers.2.b'\]"),
    (lambda s: {**s, "layers.3.w": np.ones(2)}, r"not expected \['layers.3.w'\]"),
    (lambda s: Dense(3, 4).state(), r"missing \['layers.0.b', .*not expected \['b', 'w'\]"),
    (lambda s: {**s, "layers.2.w": s["layers.2.w"] * np.float32(np.nan)}, "'layers.2.w' contains NaN"),
    (lambda s: {**s, "layers.0.b": np.zeros((4, 1), np.float32)}, r"'layers.0.b' is float32 \(4, 1\)"),
])
def test_C6_another_model(tmp_path, change, words):
    model = net()
    before = model.state()
    with pytest.raises(ValueError, match=words) as caught:
        model.load_state(through_file(tmp_path / "a.npz", change(net().state())))
    assert "\n" not in str(caught.value) and same(model.state(), before)


def test_C6_another_optimiser(tmp_path):
    parameters = net().parameters()
    for other, words in [
            (SGD(parameters, 0.1), "of another model or optimiser"),
            (Adam(net(5).parameters()), r"'m.0' is float32 \(3, 5\), but this one needs float32 \(3, 4\)"),
            (AdamW(parameters), r"of another model or optimiser: missing nothing, not expected \['weight_decay'\]"),
            (Adam(parameters[:2]), "of another model or optimiser")]:
        with pytest.raises(ValueError, match=words):
            Adam(parameters).load_state(through_file(tmp_path / "a.npz", other))


def test_C6_another_or_newer_format(tmp_path):
    raw_save(tmp_path / "a.npz", {}, {}, format="other")
    with pytest.raises(CheckpointError, match="expected format 'scratchnet checkpoint', found other; try np.load"):
        load(tmp_path / "a.npz")
    raw_save(tmp_path / "a.npz", {"x": np.array(["whatever"])}, 7, version=2, scratchnet="3.4")
    with pytest.raises(CheckpointError, match="format version 1, found version 2 of scratchnet 3.4; load it"):
        load(tmp_path / "a.npz")


# ---- C7: going on where it stopped --------------------------------------------------------------

OPTIMISERS = {
    "sgd": lambda p: SGD(p, 0.05), "momentum": lambda p: SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True), "rmsprop": lambda p: RMSProp(p, 0.01),
    "adam": lambda p: Adam(p, 0.01), "adamw": lambda p: AdamW(p, 0.01)}


class Run:
    """A model with dropout that sees shuffled batches; every random number comes from one generator."""

    def __init__(self, optimiser: str, dtype: str):
        self.rng = np.random.default_rng(7)
        rng = self.rng
        self.model = Sequential(Dense(3, 8, rng=rng), ReLU(), Dropout(0.3, rng=rng), Dense(8, 2, rng=rng)).astype(dtype)
        self.optimiser = OPTIMISERS[optimiser](self.model.parameters())
        data = np.random.default_rng(8)
        self.x, self.t = data.normal(size=(20, 3)).astype(dtype), data.normal(size=(20, 2)).astype(dtype)

    def steps(self, n: int) -> Run:
        for _ in range(n):
            rows = self.rng.permutation(20)[:int(self.rng.integers(5, 9, dtype=np.int32))]
            self.optimiser.zero_grad()
            sn.mse(self.model(sn.Tensor(self.x[rows])), sn.Tensor(self.t[rows])).backward()
            self.optimiser.step()
        return self

    def save(self, path) -> None:
        save(path, model=self.model, optimiser=self.optimiser, rng=self.rng, steps=self.optimiser.t)

    def load(self, path) -> Run:
        parts = load(path)
        self.model.load_state(parts["model"])
        self.optimiser.load_state(parts["optimiser"])
        self.rng.bit_generator.state = parts["rng"].bit_generator.state
        return self


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_C7_resumed_is_as_if_never_stopped(tmp_path, optimiser, dtype):
    Run(optimiser, dtype).steps(5).save(tmp_path / "half.npz")
    resumed, straight = Run(optimiser, dtype).load(tmp_path / "half.npz").steps(5), Run(optimiser, dtype).steps(10)
    for run, name in ((resumed, "resumed"), (straight, "straight")):
        run.save(tmp_path / f"{name}.npz")
    assert same(load(tmp_path / "resumed.npz"), load(tmp_path / "straight.npz"))
    assert not same(Run(optimiser, dtype).steps(5).model.state(), straight.model.state())


def test_C7_in_a_fresh_process_after_a_kill(tmp_path):
    Run("adamw", "float32").steps(10).save(tmp_path / "straight.npz")
    helper(__file__, "train", tmp_path)                        # saves after 5 steps and is killed
    helper(__file__, "resume", tmp_path)
    assert same(load(tmp_path / "resumed.npz"), load(tmp_path / "straight.npz"))


# ---- what runs in a process of its own ----------------------------------------------------------

def main_train(folder: Path) -> None:
    child = os.fork()
    if not child:
        Run("adamw", "float32").steps(5).save(folder / "half.npz")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def main_resume(folder: Path) -> None:
    Run("adamw", "float32").load(folder / "half.npz").steps(5).save(folder / "resumed.npz")


if __name__ == "__main__":
    answer(globals())
