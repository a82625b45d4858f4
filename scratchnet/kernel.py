"""Kernels: a heavy loop in two versions, plain NumPy to read and Numba to run, that must agree.

    @kernel
    def shift(x): …NumPy…              the reference: what the loop means
    @shift.fast
    def shift_fast(x): …               what runs by default; calls @jit functions and `parallel`
    @jit
    def shift_loop(x, y, a, b): …      compiled by Numba when first called, kept on disk by kernel_cache.py

Importing compiles nothing, and Numba itself is imported by the first fast call.  Without Numba the
references run, and a warning says so once.  A @jit function may call others, of its own file or imported by name.
"""
from __future__ import annotations

import ctypes
import operator
import os
import threading
import warnings
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Callable, Iterator

import numpy as np

from .placement import Placement

mode = os.environ.get("SCRATCHNET_KERNELS", "numba")
if mode not in ("numpy", "numba"):
    raise ValueError(f'SCRATCHNET_KERNELS is {mode!r}, expected "numpy" or "numba"')


class use_kernels:
    """use_kernels("numpy" or "numba"): from now on; as `with use_kernels(…):` for the block only.

    Errors   ValueError for any other name.
    """

    def __init__(self, name: str):
        global mode
        if name not in ("numpy", "numba"):
            raise ValueError(f'use_kernels: got {name!r}, expected "numpy" or "numba"')
        self.before, mode = mode, name

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        global mode
        mode = self.before


class Kernel:
    """The pair.  Calling it runs the fast version on real arrays, else the reference.

    @kernel(writes=k): the first k arguments are arrays it writes into; all others are only read.
    """
    registry: dict[str, Kernel] = {}

    def __init__(self, reference: Callable, writes: int = 0):
        self.reference, self.fast_version, self.writes = reference, None, writes
        self.name, self.__doc__, self.__wrapped__ = reference.__name__, reference.__doc__, reference
        if self.name in Kernel.registry:
            raise ValueError(f"kernel: there already is a kernel {self.name!r}")
        Kernel.registry[self.name] = self

    def fast(self, function: Callable) -> Callable:
        self.fast_version = function
        return function

    def __call__(self, *args, **settings):
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        if mode == "numpy" or self.fast_version is None or any(a.dtype.kind == "c" for a in arrays) \
                or not all(a.flags.c_contiguous for a in arrays[:self.writes]) or not numba_found():
            return self.reference(*args, **settings)
        return self.fast_version(*args[:self.writes], *(contiguous(a) for a in args[self.writes:]), **settings)


def kernel(reference: Callable | None = None, *, writes: int = 0):
    """Decorator: register a reference; its `.fast` then registers the fast version."""
    return Kernel(reference) if reference else lambda r: Kernel(r, writes)


def contiguous(a):
    """Arrays as read-only and C-contiguous, so that Numba compiles each loop once per dtype."""
    if not isinstance(a, np.ndarray):
        return a
    a = np.ascontiguousarray(a).view() if a.ndim else a.view()
    a.flags.writeable = False
    return a


# ---- compilation --------------------------------------------------------------------------------

_found: bool | None = None                      # None: not looked for yet


def numba_found() -> bool:
    global _found
    if _found is None:
        try:
            import numba                        # noqa: F401
            _found = True
        except Exception as e:                  # not there, or not made for this NumPy: not only ImportError
            _found = False
            warnings.warn(f"Numba is not available ({e}): the NumPy reference kernels run, several times "
                          "slower; pip install numba", RuntimeWarning, stacklevel=4)
    return _found


def prepare() -> None:
    """Load Numba where kernels will need it: models call this when they are built.

    It takes a second and 110 MB, which would otherwise look as if the first training step took them.
    """
    if mode == "numba" and numba_found():
        from . import kernel_cache
        kernel_cache.load_numba()


class jit:
    """Decorator: a loop for Numba to compile on its first call.  flags: the fastmath flags it needs."""
    waiting: dict[int, list[jit]] = {}          # by file: functions that call each other compile together
    lock = threading.RLock()

    def __init__(self, function: Callable | None = None, *, flags: set | None = None):
        self.flags = flags or set()
        if function is not None:
            self(function)

    def __call__(self, *args):
        if not hasattr(self, "function"):       # @jit(flags=…): now comes the function itself
            self.function, self.compiled = args[0], None
            self.__doc__, self.__wrapped__ = self.function.__doc__, self.function
            jit.waiting.setdefault(id(self.function.__globals__), []).append(self)
            return self
        if self.compiled is None:
            self.compile()
        return self.compiled(*args)

    def compile(self) -> None:
        """Hand every waiting loop of the file to Numba, which compiles it for the types of its first call."""
        scope = self.function.__globals__
        if numba_found():
            from .kernel_cache import njit
        else:
            def njit(function, **options): return function         # a loop is plain Python, too
        with jit.lock:                          # two threads may meet here
            together = jit.waiting.get(id(scope), [])
            for one in together:
                scope[one.function.__name__] = njit(one.function, nogil=True, fastmath=one.flags, error_model="numpy")
            for name, value in scope.items():
                if isinstance(value, jit) and value not in together:       # imported from another file
                    if value.compiled is None:
                        value.compile()
                    scope[name] = value.compiled
            for one in together:                # only now, when all names they call are in place
                one.compiled = scope[one.function.__name__]
            jit.waiting.pop(id(scope), None)


# ---- threads ------------------------------------------------------------------------------------

def default_threads() -> int:
    """NUMBA_NUM_THREADS, else OMP_NUM_THREADS, else one for each processor this process may use."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()             # OpenMP allows "4,2"
        if first.isdecimal() and int(first) > 0:
            return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> None:
    """Keep NumPy's matrix products on one thread, where its wheels' own OpenBLAS computes them.

    Its threads wait by spinning, on the cores that ours are to use: with two of each on two cores a VAE
    step took 72 ms, with ours alone 40.  At import, so that all results of a process come the same way.
    """
    try:
        ctypes.CDLL(np._core._multiarray_umath.__file__).scipy_openblas_set_num_threads64_(1)
    except (AttributeError, OSError):           # another BLAS: its own variable sets it (MKL_NUM_THREADS, …)
        pass


threads = default_threads()
if threads > 1:
    one_blas_thread()
_pool: Pool | None = None


def thread_count() -> int:
    return threads


def set_threads(n: int) -> None:
    """How many threads our kernels use.  Their results are the same bits for every n.

    Errors   TypeError for what is no integer, ValueError below 1.
    """
    global threads, _pool
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"set_threads: got {n}, expected 1 or more")
    threads, _pool = n, None


def parallel(work: Callable[[Iterator[int]], None], blocks: int) -> None:
    """Run work(todo) in each thread: `todo` hands out the numbers 0 … blocks−1, each to one thread only.

    Plain Python threads: compiled loops let go of the interpreter lock, and nothing here can abort a
    process that forks or brings threads of its own.  Blocks share no result, so who takes which one does
    not matter, and neither does the number of threads.  When this returns or raises, no thread is at work.
    """
    global _pool
    if min(threads, blocks) < 2:
        return work(iter(range(blocks)))
    pool = _pool = _pool or Pool(threads - 1)
    with pool.placement.apart():
        share(pool, work, blocks)


class Pool(ThreadPoolExecutor):
    """The threads that help."""

    def __init__(self, count: int):
        self.placement = Placement()
        super().__init__(count, "scratchnet", self.placement.join)


def share(pool: Pool, work: Callable, blocks: int) -> None:
    todo = iter(range(blocks))                  # next() on it is atomic
    helpers: list[Future] = []
    try:
        get_help(pool, helpers, min(threads, blocks) - 1, work, todo)
        take_part(work, todo)
    finally:                                    # also after an error or Ctrl-C
        begun = [h for h in helpers if not h.cancel()]              # the others are not needed any more
        wait(begun)
    for helper in begun:
        helper.result()                         # raises what went wrong there


def take_part(work: Callable, todo: Iterator[int]) -> None:
    try:
        work(todo)
    except BaseException:
        for _ in todo:                          # nothing is left to hand out
            pass
        raise


def get_help(pool: Pool, helpers: list[Future], count: int, work: Callable, todo: Iterator[int]) -> None:
    global _pool
    try:
        for _ in range(count):
            helpers.append(pool.submit(take_part, work, todo))
    except RuntimeError:                        # the system grants no more threads, or Python is about to end:
        _pool = None                            # do without
        pool.shutdown(wait=True, cancel_futures=True)


def _forget_pool() -> None:
    global _pool
    _pool = None                                # threads do not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
