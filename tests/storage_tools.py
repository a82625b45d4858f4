"""What the tests of checkpoints share: one of everything that can be saved, equality to the bit, a process of its own."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import scratchnet as sn
from scratchnet import storage

EXAMPLE = {
    "model": {"0.w": np.arange(6, dtype=np.float32).reshape(2, 3), "0.b": np.zeros(3)},
    "deep": {"a": {"b": np.array([True, False]), "c": -7}, "empty": {}},
    "kinds": {c: np.ones((2, 1), c) for c in "?bBhHiIlLqQfdD"},
    "scalar": np.array(2.5), "none_left": np.zeros((0, 4)), "columns": np.asfortranarray(np.eye(3)[:, :2]),
    "epoch": 3, "big": 2 ** 100, "lr": 0.1, "inf": -np.inf, "best": True, "nothing": None, "name": "Größe \0 \ud800",
}


def same(a, b) -> bool:
    """Equal in structure, types, dtypes, shapes and bits."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, np.random.Generator):
        return isinstance(b, np.random.Generator) and a.bit_generator.state == b.bit_generator.state
    return type(a) is type(b) and a == b


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def helper(file: str, *words):
    """What main_WORD of this test file returns in a process of its own: helper(__file__, WORD, its arguments…)."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(sn.__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, file, *map(str, words)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def answer(functions: dict) -> None:
    """The other end of helper, where that file is the main program."""
    print(json.dumps(functions[f"main_{sys.argv[1]}"](Path(sys.argv[2]), *sys.argv[3:])))


def raw_save(path: Path, arrays: dict[str, np.ndarray], parts, **meta) -> None:
    """What save does, without its care: for files that it would never write."""
    text = json.dumps({"format": storage.FORMAT, "version": 1, "scratchnet": "9", "parts": parts, **meta}).encode()
    np.savez(path, **{"__meta__": np.frombuffer(text, np.uint8), **arrays})
