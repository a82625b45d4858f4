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

import os
import threading
import warnings
from typing import Callable

import numpy as np

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
        if mode == "numba" and self.fast_version is not None and numba_found():
            ready = self.ready(args)
            if ready is not None:
                return self.fast_version(*ready, **settings)
        return self.reference(*args, **settings)

    def ready(self, args: tuple) -> list | None:
        """The arguments as the fast version takes them; None if it does not."""
        found = []
        for a in args:
            if isinstance(a, np.ndarray):
                flags = a.flags
                if a.dtype.kind == "c" or len(found) < self.writes and not flags.c_contiguous:
                    return None
                if len(found) >= self.writes and (flags.writeable or not flags.c_contiguous):
                    a = contiguous(a)
            found.append(a)
        return found


def kernel(reference: Callable | None = None, *, writes: int = 0):
    """Decorator: register a reference; its `.fast` then registers the fast version."""
    return Kernel(reference) if reference else lambda r: Kernel(r, writes)


def contiguous(a):
    """Arrays as read-only and C-contiguous, so that Numba compiles each loop once per dtype."""
    if not isinstance(a, np.ndarray) or a.flags.c_contiguous and not a.flags.writeable:
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
            import numba
            if numba.version_info.short < (0, 61):             # now and then runs what it compiled for other types
                raise ImportError(f"{numba.__version__} gives wrong numbers, 0.61 is needed")
            _found = True
        except Exception as e:                  # not there, or not made for this NumPy: not only ImportError
            _found = False
            warnings.warn(f"Numba is not available ({e}): the NumPy reference kernels run, several times "
                          "slower; pip install 'numba>=0.61'", RuntimeWarning, stacklevel=4)
    return _found


def as_written() -> bool:
    """Whether loops run as they are written in Python: to step through them (NUMBA_DISABLE_JIT=1) or to check their bounds
    (NUMBA_BOUNDSCHECK=1).  Then there are no intrinsics, and no second thread."""
    if not numba_found():
        return True
    from numba import config
    return bool(config.DISABLE_JIT or config.BOUNDSCHECK)


def prepare() -> None:
    """Load Numba where kernels will need it: models call this when they are built.

    It takes a second and 110 MB, which would otherwise look as if the first training step took them.
    """
    if mode == "numba" and numba_found():
        from . import kernel_cache
        kernel_cache.load_numba()


class jit:
    """Decorator: a loop for Numba to compile on its first call.

    flags       the fastmath flags it needs
    intrinsic   "file.name", of the same folder: what loops that call this one get in its place, in LLVM's own instructions
    """
    waiting: dict[int, list[jit]] = {}          # by file: functions that call each other compile together
    lock = threading.RLock()

    def __init__(self, function: Callable | None = None, *, flags: set | None = None, intrinsic: str = ""):
        self.flags, self.intrinsic = flags or set(), intrinsic
        if function is not None:
            self(function)

    def __call__(self, *args):
        if not hasattr(self, "function"):       # @jit(flags=…): now comes the function itself
            self.function, self.compiled, self.inside = args[0], None, None
            self.__doc__, self.__wrapped__ = self.function.__doc__, self.function
            jit.waiting.setdefault(id(self.function.__globals__), []).append(self)
            return self
        if self.compiled is None:
            self.compile()
        return self.compiled(*args)

    def compile(self) -> None:
        """Hand every waiting loop of the file to Numba, which compiles it for the types of its first call."""
        scope = self.function.__globals__
        with jit.lock:                          # two threads may meet here
            together, names = jit.waiting.get(id(scope), []), {}
            versions = [one.versions() for one in together]
            for name, value in scope.items():
                if isinstance(value, jit) and value not in together:       # imported from another file
                    if value.compiled is None:
                        value.compile()
                    names[name] = value.inside
            names.update((one.function.__name__, inside) for one, (_, inside) in zip(together, versions))
            scope.update(names)                 # all at once: an interrupt leaves nothing half done
            for one, (loop, inside) in zip(together, versions):            # only now, when all names they call are in place
                one.compiled, one.inside = loop, inside
            jit.waiting.pop(id(scope), None)

    def versions(self) -> tuple[Callable, Callable]:
        """What runs for a caller in Python, and what other loops call."""
        if not numba_found():
            return self.function, self.function                            # a loop is plain Python, too
        from .kernel_cache import intrinsic, njit
        loop = njit(self.function, nogil=True, fastmath=self.flags, error_model="numpy", forceinline=free(self))
        return loop, loop if not self.intrinsic or as_written() else intrinsic(self.intrinsic, self.function)


def free(loop, within: tuple = ()) -> bool:
    """Whether LLVM may choose the order of a sum in this loop, or in one that it calls.

    The choice must not depend on whether a loop was compiled in this process, whose copy then runs, or came from disk in one
    file with its caller: so such a loop becomes a part of its caller (forceinline).
    """
    if not isinstance(loop, jit):               # compiled already, or no loop at all
        return getattr(loop, "targetoptions", {}).get("forceinline", False)
    if loop.flags or loop in within:            # the second: loops that call each other
        return bool(loop.flags)
    scope = loop.function.__globals__
    return any(free(scope.get(name), (*within, loop)) for name in loop.function.__code__.co_names)


def inner(loop: Callable) -> Callable:
    """A @jit function as other loops call it."""
    if not isinstance(loop, jit):
        return loop
    if loop.compiled is None:
        loop.compile()
    return loop.inside


def around(loop: Callable, function: Callable) -> Callable:
    """A function, made at run time, that calls this loop: compiled, and kept on disk under the loop's name."""
    function.__name__ = loop.__name__
    if not numba_found():
        return function
    from .kernel_cache import njit
    return njit(function, nogil=True, error_model="numpy", forceinline=free(loop))


def _renew_lock() -> None:
    jit.lock = threading.RLock()                # the thread that held it does not survive a fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
