"""C1, C2: a checkpoint is the old one or the new one, never half, whatever happens while it is saved."""
from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scratchnet import storage
from scratchnet.storage import load, save
from tests.storage_tools import EXAMPLE, answer, files, helper, same

full = pytest.mark.full


# ---- C1: killed while saving --------------------------------------------------------------------

@pytest.mark.parametrize("trials", [20, pytest.param(200, marks=full)])
def test_C1_killed_while_saving(tmp_path, trials):
    report = helper(__file__, "kill", tmp_path, trials)
    assert report["wrong"] == [] and report["left after a save"] == []
    assert report["interrupted"] >= trials // 5                # enough kills hit the writing itself
    assert files(tmp_path) == ["a.npz"]


def test_C1_the_file_of_a_live_writer_stays(tmp_path):
    report = helper(__file__, "pause", tmp_path)
    assert report == {"kept": True, "whole": True, "left": ["a.npz"]}


def test_C1_only_abandoned_files_of_this_target_and_machine_go(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = socket.gethostname()
    keep = [f".a.npz~{host}~{os.getpid()}~00", f".a.npz~not-{host}~{gone.pid}~00", f".b.npz~{host}~{gone.pid}~00",
            f".a.npz~{host}~x~00", f"a.npz~{host}~{gone.pid}~00", f".a.npz~{host}~1~00", f".a.npz~{host}~{10 ** 30}~00"]
    for name in [*keep, f".a.npz~{host}~{gone.pid}~00"]:
        (tmp_path / name).touch()
    save(tmp_path / "a.npz", epoch=1)
    assert files(tmp_path) == sorted([*keep, "a.npz"])


# ---- C2: no room, no permission, no folder ------------------------------------------------------

@pytest.mark.parametrize("limits", [8, pytest.param(50, marks=full)])
def test_C2_disk_full(tmp_path, limits):
    save(tmp_path / "a.npz", version=1, w=np.ones(3000))
    size = (tmp_path / "a.npz").stat().st_size
    before = (tmp_path / "a.npz").read_bytes()
    report = helper(__file__, "full", tmp_path, *np.linspace(0, size - 1, limits, dtype=int))
    assert len(report) == limits
    for number, text, left in report:
        assert number == errno.EFBIG and "unchanged" in text and "a.npz" in text and left == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == before and load(tmp_path / "a.npz")["version"] == 1


def test_C2_no_permission(tmp_path):
    save(tmp_path / "a.npz", version=1)
    tmp_path.chmod(0o555)
    try:
        number, text = helper(__file__, "forbidden", tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert number == errno.EACCES and "unchanged" in text
    assert load(tmp_path / "a.npz") == {"version": 1} and files(tmp_path) == ["a.npz"]


def test_C2_the_target_is_a_folder_or_has_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for name, error in [("folder", IsADirectoryError), ("missing/a.npz", FileNotFoundError),
                        ("file/a.npz", NotADirectoryError)]:
        with pytest.raises(error, match="not saved"):
            save(tmp_path / name, epoch=1)
    assert files(tmp_path) == ["file", "folder"] and files(tmp_path / "folder") == []


@pytest.mark.parametrize("step", ["fsync", "replace", "unlink"])
def test_C2_any_step_fails(tmp_path, monkeypatch, step):
    """`unlink` stands for: nothing fails but the tidying up, which then must not hide the reason."""
    save(tmp_path / "a.npz", version=1)
    before = (tmp_path / "a.npz").read_bytes()

    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(storage.os, "replace" if step == "unlink" else step, fail)
    if step == "unlink":
        monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(OSError, match="Input/output error: not saved"):
        save(tmp_path / "a.npz", version=2)
    monkeypatch.undo()
    assert (tmp_path / "a.npz").read_bytes() == before
    assert step == "unlink" or files(tmp_path) == ["a.npz"]


def test_C2_the_folder_is_removed_while_saving(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()

    def fsync_late(fd):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    monkeypatch.setattr(storage.os, "fsync", fsync_late)
    with pytest.raises(FileNotFoundError, match="not saved"):
        save(folder / "a.npz", epoch=1)
    assert files(tmp_path) == []


def test_C2_interrupted_by_the_keyboard(tmp_path, monkeypatch):
    save(tmp_path / "a.npz", version=1)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr(storage.npy, "write_array", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.npz", version=2)
    assert load(tmp_path / "a.npz") == {"version": 1} and files(tmp_path) == ["a.npz"]


def test_C2_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(fd):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else os.fstat(fd).st_size)
        fsync(fd)
    monkeypatch.setattr(storage.os, "fsync", note_fsync)
    monkeypatch.setattr(storage.os, "replace", lambda *names: (calls.append("rename"), replace(*names)))
    save(tmp_path / "a.npz", **EXAMPLE)
    size = (tmp_path / "a.npz").stat().st_size
    assert calls == [size, "rename", "folder" if os.path.isdir("/proc/self/fd") else size]


# ---- what runs in a process of its own ----------------------------------------------------------

def versions(v: int) -> dict:
    return {"version": v, "w": {str(i): np.full(40_000, v, np.float64) for i in range(8)}}


def save_for_ever(path: Path):
    """Fork a child that saves version after version."""
    child = os.fork()
    if child:
        return child
    for v in range(10 ** 9):
        save(path, **versions(v))


def is_a_version(path: Path) -> bool:
    parts = load(path)
    return same(parts, versions(parts["version"]))


def main_kill(folder: Path, trials: str) -> dict:
    path, rng = folder / "a.npz", np.random.default_rng()
    report = {"wrong": [], "interrupted": 0, "left after a save": []}
    for trial in range(int(trials)):
        save(path, **versions(-1))
        report["left after a save"] += [n for n in files(folder) if n != path.name]
        child = save_for_ever(path)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        report["interrupted"] += len(files(folder)) > 1
        try:
            assert is_a_version(path)
        except Exception as error:
            report["wrong"].append(f"trial {trial}: {error!r}")
    save(path, **versions(-1))
    return report


def main_pause(folder: Path) -> dict:
    path = folder / "a.npz"
    child = save_for_ever(path)
    try:
        for _ in range(1000):                                  # until it stands still in the middle of a save
            time.sleep(0.005)
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            mine = [n for n in files(folder) if f"~{child}~" in n]
            if mine:
                break
            os.kill(child, signal.SIGCONT)
        save(path, **versions(-1))
        kept = bool(mine) and mine[0] in files(folder)
        os.kill(child, signal.SIGCONT)
        time.sleep(0.1)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    whole = is_a_version(path)
    save(path, **versions(-1))
    return {"kept": kept, "whole": whole, "left": files(folder)}


def main_full(folder: Path, *limits: str) -> list:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)              # a write beyond the limit is then an error
    hard, report = resource.getrlimit(resource.RLIMIT_FSIZE)[1], []
    for limit in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
        try:
            save(folder / "a.npz", version=2, w=np.ones(3000))
        except OSError as error:
            report.append((error.errno, str(error), files(folder)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return report


def main_forbidden(folder: Path) -> tuple:
    if os.getuid() == 0:                                       # who may do everything becomes nobody
        os.setuid(65534)
    try:
        save(folder / "a.npz", version=2)
    except OSError as error:
        return error.errno, str(error)
    return 0, "saved"


if __name__ == "__main__":
    answer(globals())
