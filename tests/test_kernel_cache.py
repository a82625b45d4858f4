"""Compiled kernels in bad company: edits, damaged caches, killed processes, threads, forks, Ctrl-C.

The numbers K3 to K9 are those of the promises: same bits for every number of threads (K3) and every time
(K4), no index out of bounds (K5), no old number after an edit (K6), no stop because of a cache (K7), many
processes at once (K8), threads and forks of the user's own (K9).
"""
from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import scratchnet as sn
from scratchnet import kernel as kernel_module
from scratchnet import kernel_cache, placement
from scratchnet.kernel import Kernel, parallel
from scratchnet.models.kmeans_loops import Rows
from tests import test_kernels
from tests.conftest import size

ROOT = Path(__file__).parent.parent
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def python(code: str, *, status: int = 0, timeout: float = 300, **env) -> subprocess.CompletedProcess:
    """Run code in a process of its own; a deadlock or an abort there fails the test here."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "SCRATCHNET_KERNELS": "numba", **env})
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(autouse=True)
def as_before():
    """Numba kernels; restore the number of threads."""
    before = kernel_module.threads
    with sn.use_kernels("numba"):
        yield
    sn.set_threads(before)


# ---- real shapes --------------------------------------------------------------------------------

def real(name: str, N: int, dtype=np.float32) -> tuple:
    """The arguments of a kernel as the layers of a small VAE or classifier call it, for N images; of another, its row's."""
    rng = np.random.default_rng(0)

    def a(*shape):
        return rng.standard_normal(shape).astype(dtype)
    ONE, TWO = (1, 1), (2, 2)
    where = np.arange(N * 32 * 49).reshape(N, 32, 7, 7) % 196
    rows = {
        "conv_y": (a(N, 32, 14, 14), a(64, 32, 3, 3), a(64), TWO, ONE, ONE),
        "conv_dx": (a(N, 64, 7, 7), a(64, 32, 3, 3), a(32), (14, 14), TWO, ONE, ONE),
        "conv_dw": (a(N, 32, 14, 14), a(N, 64, 7, 7), (3, 3), TWO, ONE, ONE),
        "conv_dw_db": (a(N, 32, 14, 14), a(N, 64, 7, 7), (3, 3), TWO, ONE, ONE, a(N, 64, 7, 7)),
        "conv_y_dw_db": (a(N, 32, 14, 14), a(64, 32, 3, 3), a(N, 64, 7, 7), TWO, ONE, ONE),
        "channel_sum": (a(N, 32, 28, 28),),
        "argmax_windows": (a(N, 32, 14, 14), TWO, TWO, (0, 0)),
        "take_pixels": (a(N, 32, 14, 14), where),
        "put_pixels": (a(N, 32, 7, 7), where, (14, 14)),
        "positive_part": (a(N, 32, 28, 28),),
        "where_positive": (a(N, 32, 28, 28), a(N, 32, 28, 28)),
        "matmul_y": (a(128, 784), a(784, 528)),
        "matmul_dw": (a(128, 784), a(128, 528)),
        "matmul_dx": (a(128, 512), a(784, 512)),
        "bce_slope": (a(N, 32, 28, 28), a(N, 32, 28, 28), abs(a(N, 32, 28, 28)), 0.5),
        "leaky_part": (a(N, 32, 28, 28), 0.2),
        "leaky_slope": (a(N, 32, 28, 28), a(N, 32, 28, 28), 0.2),
        "channel_dots": (a(N, 32, 14, 14), a(N, 32, 14, 14), a(32)),
        "channel_moments": (a(N, 32, 14, 14),),
        "channel_scale": (a(N, 32, 14, 14), a(32), a(32), a(32)),
        "adam_step": (a(784, 512), a(784, 512), a(784, 512) ** 2, a(784, 512), 0.9, 0.999, 1e-3, 2.0, 1e-8),
    }
    return rows[name] if name in rows else test_kernels.ROWS[name][1](lambda shape: rng.standard_normal(shape).astype(dtype))


def bits(name: str, args: tuple) -> tuple:
    return tuple(r.tobytes() for r in test_kernels.run(name, args, "numba"))


NAMES = [name for name, k in Kernel.registry.items() if k.fast_version]
each_kernel = pytest.mark.parametrize("name", NAMES)        # one without a row fails with a KeyError


@each_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_K3_same_bits_for_every_number_of_threads(name, dtype):
    args, results = real(name, size(34, 50), dtype), set()  # three or four blocks of images, the last not full
    for n in (1, 2, 3, 5):
        sn.set_threads(n)
        results.add(bits(name, args))
    assert len(results) == 1


@each_kernel
def test_K4_same_bits_every_time(name):
    sn.set_threads(4)
    args = real(name, 34)
    assert len({bits(name, args) for _ in range(size(12, 300))}) == 1


def within_reach(function) -> list[np.ndarray]:
    """The arrays in a function's closure, also those in lists and objects there and in the closures of functions there."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]           # not the empty ones
    each = [v for c in cells for v in (c if isinstance(c, list) else vars(c).values() if isinstance(c, Rows) else [c])]
    return [v for v in each if isinstance(v, np.ndarray)] + \
        [a for v in each if isinstance(v, types.FunctionType) for a in within_reach(v)]


def writes(work, blocks: int) -> list[np.ndarray]:
    """For each array that `work` can write to: how many blocks write to each of its numbers.

    Every block runs alone, over two backgrounds, so that writing what stood there does not go unnoticed.
    """
    arrays = [a for a in within_reach(work) if a.flags.writeable]
    before, counts = [a.copy() for a in arrays], [np.zeros(a.shape, int) for a in arrays]
    for block in range(blocks):
        changed = [np.zeros(a.shape, bool) for a in arrays]
        for background in (3, -5):
            for a in arrays:
                a[...] = background
            work(iter([block]))
            for a, c in zip(arrays, changed):
                c |= a != background
        for count, c in zip(counts, changed):
            count += c
    for a, old in zip(arrays, before):
        a[...] = old
    return counts


@each_kernel
def test_K4_no_two_blocks_write_to_the_same_memory(name, monkeypatch):
    """A race that no run has lost so far is one all the same."""
    seen = []

    def spy(work, blocks):
        seen.append((blocks, writes(work, blocks)))
        parallel(work, blocks)
    for module in [m for n, m in sys.modules.items() if n.startswith("scratchnet.")]:
        if vars(module).get("parallel") is parallel:
            monkeypatch.setattr(module, "parallel", spy)
    args = real(name, 50)
    expected = bits(name, args)
    monkeypatch.undo()
    assert bits(name, args) == expected                     # the spy left no trace
    assert not seen or max(blocks for blocks, _ in seen) > 1
    for blocks, counts in seen:
        assert all(c.max(initial=0) <= 1 for c in counts)
        assert any(c.size and c.min() == 1 for c in counts) or "nearest" in name       # it sees all of the output
    assert seen or name in ("take_pixels", "put_pixels")     # these use one thread


def test_K4_a_shared_sum_is_noticed():
    total, own = np.zeros(3), np.zeros(4)

    def work(todo):
        for block in todo:
            own[block] = 1
            total[1] += 1
    counts = {a.size: a.tolist() for a in writes(work, 4)}
    assert counts == {3: [0, 4, 0], 4: [1, 1, 1, 1]}


def test_K4_numba_starts_no_threads_and_is_used_in_one_place():
    """Loops are compiled by kernel.py only, which gives each its options."""
    for path in (ROOT / "scratchnet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(m.split(".")[0] == "numba" for m in modules):
                assert path.name in ("kernel.py", "kernel_cache.py") or "exercises" in path.parts, path
    loops = [loop for loop, _ in compiled_loops() if loop.__module__.startswith("scratchnet.")]
    for name in NAMES:
        bits(name, real(name, 1))
    assert loops or (loops := [loop for loop, _ in compiled_loops()])
    for loop in loops:
        options = loop.targetoptions
        assert options["nogil"] and not options.get("parallel") and options.get("fastmath") is not True
        assert not set(options["fastmath"]) - {"contract", "reassoc", "nsz"}


def compiled_loops() -> list[tuple]:
    """(loop, module) of everything that Numba was given in scratchnet, but for what learners are to write."""
    return [(thing, n) for n, m in list(sys.modules.items()) if n.startswith("scratchnet.") and ".exercises" not in n
            for thing in list(vars(m).values()) if hasattr(thing, "py_func")]


# ---- K5 -----------------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize("setting, choice", [
    ("NUMBA_BOUNDSCHECK", "numba"), ("NUMBA_DISABLE_JIT", "stored_case and (numba-3 or numba-7) or R3_numba")])
def test_K5_tests_pass_with_bounds_checked_and_without_compiling(setting, choice):
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/test_conv_torch.py", "tests/test_vae.py",
                           "-k", choice], cwd=ROOT, env={**os.environ, setting: "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


def test_K5_loops_are_plain_python_without_compiling():
    code = "import scratchnet as sn, numpy as np; from scratchnet.ops import pool; " \
           "print(sn.max_pool2d(np.arange(16.).reshape(1, 1, 4, 4), 2).ravel(), type(pool.argmax_loop).__name__)"
    for env in ({"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_DISABLE_JIT": "0"}):
        kind = "function" if env["NUMBA_DISABLE_JIT"] == "1" else "CPUDispatcher"
        assert python(code, **env).stdout == f"[ 5.  7. 13. 15.] {kind}\n"


# ---- a learner's file, loaded as often as we like -----------------------------------------------

SOURCE = """
import math
import numpy as np
from scratchnet.kernel import jit

FACTOR = 10.0
TABLE = np.array([1.0, 2.0, 3.0])

@jit
def helper(x, plus=0.0):
    return x * 2.0 + plus

@jit(flags={"contract"})
def total(x, start=0.5):
    s = start
    for i in range(len(x)):
        s += helper(x[i]) + FACTOR + TABLE[1] + math.floor(math.pi)
    return s

@jit
def other(x):
    return x[len(x)]
"""
X = np.arange(3.0)                              # total(X) = 0.5 + 2·3 + 3·(10 + 2 + 3) = 51.5
FRESH = 51.5


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has said nothing yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "_said", set())
    return tmp_path / "scratchnet"


def learner(source: str = SOURCE, name: str = "learner"):
    """The module of this source, with nothing compiled, as a new process would see it."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module


def compilations(module) -> int:
    return sum(sum(thing.stats.cache_misses.values()) for thing in vars(module).values() if hasattr(thing, "stats"))


def run(source: str = SOURCE) -> tuple[float, int]:
    """(total(X), how many loops were compiled for it)."""
    module = learner(source)
    return module.total(X), compilations(module)


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
def test_K6_an_edit_leaves_no_old_number(cache, old, new, result, compiled):
    assert old in SOURCE
    assert run() == (FRESH, 2)
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
def test_K7_a_damaged_entry_is_compiled_anew(cache, damage, loop):
    run()
    entry, = cache.glob(f"learner.{loop}-*")
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


def test_K7_a_folder_that_can_only_be_read(cache, monkeypatch, capfd):
    """Also as the administrator, whom no permission keeps from writing."""
    def refuse(*_, **__): raise OSError(30, "Read-only file system")
    run()
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    capfd.readouterr()
    assert run() == (FRESH, 0)                  # what is there can be used
    assert capfd.readouterr().err == ""
    for entry in cache.glob("*.nbc"):
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


def test_the_cache_keeps_what_was_used_last(cache, monkeypatch):
    monkeypatch.setattr(kernel_cache, "LIMIT", 4)
    run()
    for path in cache.iterdir():
        os.utime(path, (1, 1))                  # long ago
    for i in range(9):
        path = cache / f"{i}.nbc.tmp"           # what killed processes leave counts as well
        path.write_bytes(b"")
        os.utime(path, (100 + i, 100 + i))
    assert run() == (FRESH, 0)                  # used now
    learner().other(X)                          # one new entry, so others go
    names = sorted(path.name.split("-")[0] for path in cache.iterdir())
    assert names == ["8.nbc.tmp", "learner.helper", "learner.other", "learner.total"] or \
        names == ["7.nbc.tmp", "8.nbc.tmp", "learner.other", "learner.total"]      # total has helper inside


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform not in ("win32", "darwin"):
        assert kernel_cache.folder() == tmp_path / "scratchnet" / "kernels"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_cache.folder() == tmp_path / "mine" / "scratchnet"


# ---- K8 -----------------------------------------------------------------------------------------

TOGETHER = """
import os, random, signal, sys, tempfile, time
import numba
from tests.test_kernel_cache import X, compilations, learner
rng = random.Random(0)
SOURCE = '''
from scratchnet.kernel import jit
@jit
def total(x):
    s = 0.5
    for i in range(len(x)):
        s += x[i]
    return s
'''

def run():
    module = learner(SOURCE)
    return module.total(X), compilations(module)

def child():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if run()[0] == 3.5 else 3
        finally:
            os._exit(status)
    return pid

def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

for trial in range(int(sys.argv[1])):
    numba.config.CACHE_DIR = tempfile.mkdtemp(dir=sys.argv[2])
    assert [status(pid) for pid in [child() for _ in range(8)]] == [0] * 8         # eight at once
    assert run() == (3.5, 0)

    numba.config.CACHE_DIR = tempfile.mkdtemp(dir=sys.argv[2])
    killed = 0
    for moment in [rng.uniform(0, most) for most in (0.02, 0.1, 0.2, 0.4)]:         # killed, again and again
        pid = child()
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        killed += status(pid) == -signal.SIGKILL
    assert status(child()) == 0
    assert run() == (3.5, 0)
    print(killed)
"""


@forks
def test_K8_eight_processes_at_once_and_killed_ones(tmp_path):
    trials = size(2, 20)
    done = subprocess.run([sys.executable, "-c", TOGETHER, str(trials), str(tmp_path)], capture_output=True, text=True,
                          timeout=1000, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.split()) == trials and sum(map(int, done.stdout.split())) >= 1      # some were killed in time


# ---- K9 -----------------------------------------------------------------------------------------

CONV = """
import numpy as np, scratchnet as sn
from scratchnet.kernel import Kernel
from tests.test_kernel_cache import bits, real
sn.set_threads(3)
names = ["conv_y", "conv_dx", "conv_dw_db", "conv_y_dw_db"]
args = {name: real(name, 34) for name in names}
right = {name: bits(name, args[name]) for name in names}
def good(): return all(bits(name, args[name]) == right[name] for name in names)
"""


def test_K9_kernels_called_from_four_threads():
    python(CONV + f"""
import threading
wrong = []
def work():
    for _ in range({size(15, 300)}):
        if not good(): wrong.append(1)
several = [threading.Thread(target=work) for _ in range(4)]
for t in several: t.start()
for t in several: t.join()
assert not wrong
""")


@forks
def test_K9_children_of_a_process_whose_kernels_have_run():
    """os.fork, multiprocessing by fork, and a fork while another thread is inside a kernel; all end by themselves."""
    done = python(CONV + """
import multiprocessing, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)             # forking beside threads: exactly what is tested
if os.fork() == 0:
    helped = good() and any(t.name.startswith("scratchnet") for t in threading.enumerate())
    sys.exit(0 if helped and good() else 3)
assert os.wait()[1] == 0
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.starmap(good, [()] * 4) == [True] * 4
    pool.close(); pool.join()
stop = threading.Event()
def busy():
    while not stop.is_set(): good()
thread = threading.Thread(target=busy); thread.start()
for _ in range(4):
    if os.fork() == 0:
        os._exit(0 if good() else 3)
    assert os.wait()[1] == 0
stop.set(); thread.join()
assert good()
print("parent")
""", timeout=120)
    assert done.stdout == "parent\n"


def test_K9_kernels_run_while_python_ends():
    """Threads can no longer be started then."""
    assert python(CONV + "import atexit\natexit.register(lambda: print(good()))", timeout=60).stdout == "True\n"


def test_K9_ctrl_c_at_any_moment():
    python(CONV + f"""
import threading, _thread
good()
for trial in range({size(20, 300)}):
    timer = threading.Timer(0.0007 * (trial % 40), _thread.interrupt_main)
    caught = False
    try:
        timer.start()
        while True: good()
    except KeyboardInterrupt:
        caught = True
    assert caught and good()
print(threading.active_count())
""", timeout=120)


class Watch:
    """A work(todo) that counts who is inside a block, and does something special in one of them."""

    def __init__(self, special=None):
        self.active, self.done, self.special, self.lock = 0, [], special or (lambda b: None), threading.Lock()

    def __call__(self, todo):
        for block in todo:
            with self.lock:
                self.active += 1
            try:
                time.sleep(0.02)
                self.special(block)
                self.done.append(block)
            finally:
                with self.lock:
                    self.active -= 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("where", ["caller", "helper"])
def test_K9_after_an_error_nobody_is_at_work(error, where):
    sn.set_threads(3)
    main = threading.current_thread()

    def special(block):
        if (threading.current_thread() is main) == (where == "caller"):
            raise error("planted")
        time.sleep(0.05)                        # longer than the one that fails
    watch = Watch(special)
    with pytest.raises(error, match="planted"):
        parallel(watch, 50)
    assert watch.active == 0
    count = len(watch.done)
    time.sleep(0.1)
    assert len(watch.done) == count             # nor later
    assert count < 5                            # the blocks after the error are not begun
    watch = Watch()
    parallel(watch, 7)
    assert sorted(watch.done) == list(range(7))


def test_K9_parallel_within_parallel():
    """In a process of its own, where a deadlock ends after a while."""
    assert python("""
from scratchnet.kernel import parallel, set_threads
set_threads(3)
seen = []
def inner(todo): seen.extend(todo)
def outer(todo):
    for _ in todo: parallel(inner, 5)
parallel(outer, 6)
print(len(seen), sorted(seen) == sorted(list(range(5)) * 6))
""", timeout=60).stdout == "30 True\n"


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_K9_a_system_that_grants_no_more_threads(granted, monkeypatch):
    start, left = threading.Thread.start, [granted]

    def limited(self):
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(self)
    sn.set_threads(5)
    monkeypatch.setattr(threading.Thread, "start", limited)
    for _ in range(3):
        watch = Watch()
        parallel(watch, 8)
        assert sorted(watch.done) == list(range(8)) and watch.active == 0
    monkeypatch.undo()
    parallel(watch := Watch(), 8)
    assert sorted(watch.done) == list(range(8))


@pytest.mark.skipif(placement.current_processor() < 0 or len(os.sched_getaffinity(0)) < 2, reason="nothing to keep apart")
def test_K9_the_caller_and_its_helpers_run_on_different_processors(monkeypatch):
    mine, seen = os.sched_getaffinity(0), []
    sn.set_threads(3)
    main = threading.current_thread()

    def look(block):
        seen.append((threading.current_thread() is main, os.sched_getaffinity(0)))
    parallel(Watch(), 6)                        # now the helpers are there
    for here in sorted(mine)[:2]:
        seen.clear()
        monkeypatch.setattr(placement, "current_processor", lambda: here)
        parallel(Watch(look), 6)
        assert {True, False} == {caller for caller, _ in seen}
        assert all(where == ({here} if caller else mine - {here}) for caller, where in seen)
        assert os.sched_getaffinity(0) == mine                 # free again
    with pytest.raises(ValueError):
        parallel(lambda todo: int("x"), 4)
    assert os.sched_getaffinity(0) == mine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
@pytest.mark.parametrize("change", ["os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",       # one processor
                                    "os.sched_setaffinity = refuse",                               # a strict container
                                    "placement.current_processor = lambda: -1"])                   # another system
def test_K9_without_a_say_in_where_threads_run(change):
    assert python("""
import os
from scratchnet import kernel, placement
def refuse(*a): raise PermissionError
before = os.sched_getaffinity(0)
""" + change + """
kernel.set_threads(2)
done = []
for _ in range(3): kernel.parallel(done.extend, 9)
print(sorted(done) == sorted(3 * list(range(9))), os.sched_getaffinity(0) <= before)
""", timeout=60).stdout == "True True\n"


def test_K9_no_more_threads_while_another_caller_has_them(monkeypatch):
    """What could not be handed out must not be started later, when the other caller's helper is free."""
    def refuse(self): raise RuntimeError("can't start new thread")
    sn.set_threads(4)
    first, main = threading.Event(), threading.current_thread()

    def occupy(todo):
        for _ in todo:
            first.set()
            time.sleep(0.1)
    with monkeypatch.context() as patch:
        other = threading.Thread(target=parallel, args=(occupy, 2))     # one of three helpers starts
        other.start()
        first.wait()
        time.sleep(0.02)
        patch.setattr(threading.Thread, "start", refuse)
        watch = Watch(lambda block: time.sleep(0 if threading.current_thread() is main else 0.3))
        parallel(watch, 12)
        assert sorted(watch.done) == list(range(12)) and watch.active == 0
    other.join()


def test_K9_another_thread_may_change_the_number_of_threads():
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for n in (1, 2, 4):
                sn.set_threads(n)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(size(100, 1000)):
            seen = []
            parallel(seen.extend, 6)
            assert sorted(seen) == list(range(6))
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("n, error", [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("2", TypeError)])
def test_numbers_of_threads_that_are_refused(n, error):
    with pytest.raises(error):
        sn.set_threads(n)


@pytest.mark.parametrize("env, expected", [
    ({"NUMBA_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3), ({"OMP_NUM_THREADS": "2"}, 2),
    ({"OMP_NUM_THREADS": "4,2"}, 4), ({"OMP_NUM_THREADS": "0"}, None), ({"OMP_NUM_THREADS": "many"}, None), ({}, None)])
def test_default_number_of_threads(env, expected, monkeypatch):
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    n = kernel_module.default_threads()
    assert n == expected if expected else n >= 1


# ---- the first call -----------------------------------------------------------------------------

def test_a_first_compilation_is_announced_once_and_a_cached_one_not(cache, capfd):
    module = learner()
    assert capfd.readouterr().err == ""
    module.total(X)
    assert capfd.readouterr().err == "scratchnet: compiling kernels for this machine, once (some seconds) …\n"
    module.total(X.astype(np.float32))          # compiled too, and not announced again
    assert compilations(module) == 4 and capfd.readouterr().err == ""
    kernel_cache._said.clear()
    run()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stderr", ["None", "closed"])
def test_no_terminal_to_announce_it_on(cache, monkeypatch, capfd, stderr):
    closed = open(os.devnull, "w")
    closed.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", eval(stderr))
        assert run() == (FRESH, 2)
    assert capfd.readouterr() == ("", "")


STEP = """
import numba, time
start = time.perf_counter()
import numpy as np, scratchnet as sn
from scratchnet.models.vae import VAE, train_step
model = VAE(rng=0)
x = np.random.default_rng(0).random((128, 1, 28, 28), np.float32)
terms = train_step(model, sn.optim.Adam(model.parameters()), x, rng=1)
seconds = time.perf_counter() - start
from tests.test_kernel_cache import compiled_loops
print(seconds, sum(sum(loop.stats.cache_misses.values()) for loop, _ in compiled_loops()), terms)
"""


def test_first_training_step_cold_and_warm(tmp_path):
    """Seconds beyond importing Numba, with the first compilation and without."""
    runs = [python(STEP, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    (cold, some, *first), (warm, none, *second) = (r.stdout.split() for r in runs)
    assert int(some) > 5 and int(none) == 0 and first == second
    assert float(cold) < 20 and float(warm) < 3
    assert "compiling kernels" in runs[0].stderr and runs[1].stderr == ""
