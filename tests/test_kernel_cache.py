"""Compiled loops on disk: no old number after an edit (K6), no stop because of a cache (K7)."""
from __future__ import annotations

import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from scratchnet import kernel_cache
from tests.cache_tools import FRESH, SOURCE, X, compilations, learner, run
from tests.kernel_tools import as_before, python      # noqa: F401  as_before: for every test


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has said nothing yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "_said", set())
    return tmp_path / "scratchnet"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with the two entries that a run leaves behind."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "CACHE_DIR", str(folder))
        assert run() == (FRESH, 2)
    return folder / "scratchnet"


@pytest.fixture
def warm(cache, kept):
    """The cache as it is after a run."""
    return shutil.copytree(kept, cache)


def test_K6_a_second_run_compiles_nothing(cache):
    assert run() == (FRESH, 2)
    assert run() == (FRESH, 0)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("old, new, result, compiled", [
    ("x * 2.0", "x * 3.0", 54.5, 2),            # a helper that a cached loop calls
    ("x * 2.0", "x + 2.0", 54.5, 2),
    ("plus=0.0", "plus=1.0", 54.5, 2),
    ("s = start", "s = 1.5  ", 52.5, 1),        # the loop itself: its helper need not be compiled again
    ("FACTOR = 10.0", "FACTOR = 20.0", 81.5, 1),
    ("1.0, 2.0, 3.0", "1.0, 7.0, 3.0", 66.5, 1),
    ("math.pi", "math.e ", 48.5, 1),
    ("start=0.5", "start=1.5", 52.5, 1),
    ('"contract"', '"nsz"     ', FRESH, 1),     # other options, other code
    ("@jit\ndef helper", "@jit(flags={'nsz'})\ndef helper", FRESH, 2),
    ("return x[len(x)]", "return x[0]     ", FRESH, 0),     # a loop that this one does not call
    ("import math", "import math\n\n\n# moved down", FRESH, 0),
])
def test_K6_an_edit_leaves_no_old_number(warm, old, new, result, compiled):
    assert old in SOURCE
    assert run() == (FRESH, 0)
    assert run(SOURCE.replace(old, new)) == (result, compiled)
    assert run() == (FRESH, 0)                  # and back again
    assert run(SOURCE.replace(old, new)) == (result, 0)


def test_K6_a_constant_of_another_module(cache):
    """Numba compiles its value in."""
    constants = sys.modules["constants"] = types.ModuleType("constants")
    source = "import constants\nfrom scratchnet.kernel import jit\n@jit\ndef loop(x):\n    return x + constants.C\n"
    for value, compiled in ((1, 1), (2, 1), (1, 0)):
        constants.C = value
        module = learner(source)
        assert (module.loop(10), compilations(module)) == (10 + value, compiled)


def test_K6_an_edit_of_a_loop_in_another_file(cache):
    """Its machine code is in that of the loop that calls it."""
    helper, caller = "from scratchnet.kernel import jit\n@jit\ndef scaled(x):\n    return x * 2.0\n", \
        "from scratchnet.kernel import jit\nfrom helper import scaled\n@jit\ndef loop(x):\n    return scaled(x) + 1\n"
    for old, new, result, compiled in (("2.0", "2.0", 7, 2), ("2.0", "3.0", 10, 2), ("2.0", "2.0", 7, 0),
                                       ("2.0", "3.0", 10, 0), ("@jit\n", "@jit(flags={'nsz'})\n", 7, 2)):
        learner(helper.replace(old, new), "helper")
        module = learner(caller)
        assert (module.loop(3.0), compilations(module)) == (result, compiled)


def test_K6_equal_time_and_size_and_an_old_pyc(tmp_path):
    """As after reinstalling a wheel, or two edits within a second."""
    path, home = tmp_path / "learner.py", {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def number(*, pyc):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.dont_write_bytecode = {not pyc}; " \
               "import numpy as np, learner; print(learner.total(np.arange(3.0)))"
        return float(python(code, **home).stdout)
    path.write_text(SOURCE)
    os.utime(path, (1e9, 1e9))
    assert number(pyc=True) == FRESH
    path.write_text(SOURCE.replace("x * 2.0", "x * 3.0"))
    os.utime(path, (1e9, 1e9))
    assert number(pyc=True) == FRESH            # Python itself runs its old .pyc: no cache of ours can help
    for pyc in tmp_path.rglob("*.pyc"):
        pyc.unlink()
    assert number(pyc=False) == 54.5            # but nothing old was stored under a new name


def test_K6_checked_and_unchecked_loops_are_different_entries(cache, monkeypatch):
    learner().other(X)                          # reads one number too far
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    for _ in range(2):                          # compiled, then from the cache
        with pytest.raises(IndexError):
            learner().other(X)
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", None)
    module = learner()
    module.other(X)
    assert compilations(module) == 0


@pytest.mark.parametrize("one, other", [(0.0, -0.0), (1, 1.0), (1, True), ("a", b"a"), ((1, 2), [1, 2]),
                                        (np.zeros(2), np.zeros((2, 1))), (np.zeros(2), np.zeros(2, "f4")),
                                        (np.zeros(5000), np.eye(1, 5000, 2500)[0]), (np.float32, np.float64),
                                        (np.exp, np.log), (np.sum, np.prod), ({"a": 1}, {"a": 2}), ({1, 2}, {1, 3})])
def test_K6_names_tell_values_apart_and_are_the_same_in_every_process(one, other):
    assert kernel_cache.describe(one) != kernel_cache.describe(other)
    assert kernel_cache.describe({0, 8, "x"}) == kernel_cache.describe({8, 0, "x"})     # two orders of one set
    assert kernel_cache.describe({1: 2, 3: 4}) == kernel_cache.describe({3: 4, 1: 2})
    assert " at 0x" not in kernel_cache.describe([one, other])


@pytest.mark.parametrize("step, result", [(1, 4.25), (0.5, 6.25)])      # with the same types again; with others
def test_K6_a_loop_that_calls_itself_is_not_kept(cache, step, result, capfd):
    """With Numba's own cache the second run of the other kind ends in a segmentation fault."""
    source = f"""from scratchnet.kernel import jit
@jit
def down(n):
    if n < 1:
        return 0.25
    return 2 + down(n - {step})
"""
    for _ in range(3):
        assert learner(source).down(2) == learner(source).down(2.0) == result
    assert not cache.exists()
    one_line(capfd, "down calls itself")


# ---- K7 -----------------------------------------------------------------------------------------

def rewrite(path: Path, packed: bytes) -> None:
    """A file whose checksum is right and whose content is not."""
    path.write_bytes(kernel_cache.digest(path.name.encode(), packed) + packed)


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def swap(path):
    """Another entry's whole file under this name."""
    a, b = sorted(path.parent.iterdir())
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1             # in the machine code
    path.write_bytes(content)


DAMAGE = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "cut to the checksum": lambda p: p.write_bytes(p.read_bytes()[:32]),
    "empty": lambda p: p.write_bytes(b""),
    "random": lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)),
    "one bit": flip,
    "swapped": swap,
    "made by another version": lambda p: rewrite(p, b"cno_such_module\nno_such_class\n."),
    "not a compiled loop": lambda p: rewrite(p, __import__("pickle").dumps((1, 2))),
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("loop", ["helper", "total"])
def test_K7_a_damaged_entry_is_compiled_anew(warm, damage, loop):
    entry, = warm.glob(f"learner.{loop}-*")
    DAMAGE[damage](entry)
    result, compiled = run()
    assert result == FRESH and compiled >= (loop == "total")        # a caller's entry has its helper inside
    assert run()[0] == FRESH
    if damage != "a folder":                    # which is not ours to remove
        assert run() == (FRESH, 0)


def one_line(capfd, word: str) -> None:
    lines = capfd.readouterr().err.splitlines()
    assert sum("cannot be kept" in line for line in lines) == 1 and len(lines) <= 2, lines
    assert word in "".join(lines)


def impossible(*_):
    raise RuntimeError("Could not determine home directory.")


def test_K7_no_folder_possible(cache, monkeypatch, capfd):
    monkeypatch.setattr(numba.config, "CACHE_DIR", os.path.join(os.devnull, "x"))
    assert run() == run() == (FRESH, 2)
    one_line(capfd, "NUMBA_CACHE_DIR")


def test_K7_no_home(cache, monkeypatch, capfd):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", impossible)
    assert run() == run() == (FRESH, 2)
    one_line(capfd, "home directory")


def test_K7_a_folder_that_can_only_be_read(warm, monkeypatch, capfd):
    """Also as the administrator, whom no permission keeps from writing."""
    def refuse(*_, **__): raise OSError(30, "Read-only file system")
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    capfd.readouterr()
    assert run() == (FRESH, 0)                  # what is there can be used
    assert capfd.readouterr().err == ""
    for entry in warm.glob("*.nbc"):
        entry.write_bytes(b"damaged")
    assert run() == run() == (FRESH, 2)
    one_line(capfd, "Read-only")


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_K7_full_disk(tmp_path):
    done = python("""
import resource, numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
import scratchnet as sn
print(sn.relu(np.array([-1.0, 2.0])))
""", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "[0. 2.]\n" and done.stderr.count("cannot be kept") == 1
    assert not list((tmp_path / "scratchnet").iterdir())        # no half file, no temporary one


def test_K7_a_numba_that_cannot_pack_loops(cache, monkeypatch, capfd):
    monkeypatch.delattr(numba.core.compiler.CompileResult, "_reduce")
    assert run() == run() == (FRESH, 2)
    one_line(capfd, "_reduce")


def test_the_cache_keeps_what_was_used_last(warm, monkeypatch):
    monkeypatch.setattr(kernel_cache, "LIMIT", 4)
    for path in warm.iterdir():
        os.utime(path, (1, 1))                  # long ago
    for i in range(9):
        path = warm / f"{i}.nbc.tmp"           # what killed processes leave counts as well
        path.write_bytes(b"")
        os.utime(path, (100 + i, 100 + i))
    assert run() == (FRESH, 0)                  # used now
    learner().other(X)                          # one new entry, so others go
    names = sorted(path.name.split("-")[0] for path in warm.iterdir())
    assert names == ["8.nbc.tmp", "learner.helper", "learner.other", "learner.total"] or \
        names == ["7.nbc.tmp", "8.nbc.tmp", "learner.other", "learner.total"]      # total has helper inside


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform not in ("win32", "darwin"):
        assert kernel_cache.folder() == tmp_path / "scratchnet" / "kernels"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_cache.folder() == tmp_path / "mine" / "scratchnet"
