"""Compiled loops on disk, so that each is compiled once on a machine and not in every run.

Numba has a cache (`cache=True`), but not one for a package whose readers edit its loops:
    - It tells an edited file by time and size (0.60), and Python's .pyc files do so as well: after an edit
      of equal length within a second, old machine code is kept under the new file's name.
    - It ignores settings: with NUMBA_BOUNDSCHECK=1 it loads the loops that were compiled without checks.
    - A cut-off file raises out of the user's call, in every run.  A flipped bit is executed: of 80 flips,
      10 crashed the process.
    - Where it finds no folder to write to, it raises; and it never removes anything.

Here each compiled loop is one file, named by a digest of all that its machine code follows from: bytecode
and constants of the loop and of the loops it calls, of an intrinsic all of the files that write its
instructions, argument types, Numba's settings and version, the processor.  An edit makes another name;
nothing under the old name is wrong, it is only no longer asked for.  A checksum in front finds damage; a
damaged file counts as missing.  What cannot be kept is compiled in every run, and one line says so.

The folder: $NUMBA_CACHE_DIR/scratchnet if that is set, else `kernels` in scratchnet's cache folder.
"""
from __future__ import annotations

import dis
import hashlib
import importlib
import inspect
import os
import pickle
import platform
import sys
import uuid
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import llvmlite
import numba
import numba.extending
import numpy as np

from .kernel import jit

LIMIT = 500                     # files, of 20 to 100 kB; the ones used last are kept
VERSIONS = (platform.python_implementation(), sys.version_info[:3], numba.__version__, llvmlite.__version__, np.__version__)
SETTINGS = ("BOUNDSCHECK", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")     # of numba.config


if hasattr(os, "sched_yield"):                  # the system's, for compiled loops
    sched_yield = os.sched_yield if numba.config.DISABLE_JIT else numba.types.ExternalFunction("sched_yield", numba.int32())


def load_numba() -> None:
    """What Numba puts off until it first compiles or finds a loop: its table of all that it can compile."""
    cpu = numba.core.registry.cpu_target
    cpu.typing_context.refresh()
    cpu.target_context.refresh()


def njit(function, **options):
    """numba.njit with this cache."""
    loop = numba.njit(function, **options)      # with NUMBA_DISABLE_JIT=1 it is `function` itself,
    loop._cache = DiskCache(loop)               # and nobody looks here
    return loop


def intrinsic(name: str, function):
    """numba.extending.intrinsic "file.name", of the folder that this function is in, whose place it takes."""
    file, _, name = name.partition(".")
    module = importlib.import_module(f"{function.__module__.rpartition('.')[0]}.{file}")
    found = numba.extending.intrinsic(getattr(module, name))
    found.__wrapped__ = function                # for inspect.unwrap: the loop, not what writes its instructions
    return found


class DiskCache:
    """Numba asks it for machine code before it compiles, and hands it what it has compiled."""
    cache_path = None                           # this and the methods are what Numba expects of a cache

    def __init__(self, loop):
        self.loop = loop
        self.paths: dict[tuple, Path] = {}      # of what is being compiled: argument types -> file

    def flush(self) -> None:
        pass

    def load_overload(self, types, context):
        """The compiled loop for these argument types; None makes Numba compile it."""
        with jit.lock:                          # not while another thread puts the names in place that this loop calls; Numba
            pass                                # holds its own lock here, so nothing may be compiled under jit.lock
        try:
            context.refresh()
            path = folder() / file_name(self.loop, types, context.codegen().magic_tuple())
        except Exception as error:
            uncached(error)
        else:
            try:
                content = path.read_bytes()
                check, packed = content[:32], content[32:]
                if check == digest(path.name.encode(), packed):
                    compiled = numba.core.compiler.CompileResult._rebuild(context, *pickle.loads(packed))
                    touch(path)
                    return compiled
            except Exception:                   # not there, or damaged in some way: a new one will replace it
                pass
            self.paths[types] = path
        say("compiling", "compiling kernels for this machine, once (some seconds) …")

    def save_overload(self, types, compiled) -> None:
        path = self.paths.pop(types, None)
        if path is None or compiled.lifted or getattr(compiled, "library").has_dynamic_globals:
            return                              # the last two: it holds addresses of this process
        try:
            packed = numba.core.serialize.dumps(compiled._reduce())
            write(path, digest(path.name.encode(), packed) + packed)
            prune(path.parent)
        except Exception as error:
            uncached(error)


# ---- names --------------------------------------------------------------------------------------

def file_name(loop, types, processor: tuple) -> str:
    function, settings = loop.py_func, [getattr(numba.config, setting, None) for setting in SETTINGS]
    key = digest(describe([VERSIONS, settings, processor, repr(types), loop]).encode()).hex()
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}-{key[:32]}.nbc"


def describe(value, within: tuple = ()) -> str:
    """A text that differs wherever Numba would make different machine code of `value`.

    Errors: ValueError for a loop that calls itself.
    """
    if hasattr(value, "py_func"):               # a loop: its options, its code, and the globals that it names
        function = value.py_func
        if function in within:                  # Numba packs each version alone, though one calls the other: crashes
            raise ValueError(f"{function.__name__} calls itself")
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        parts = [function.__module__, function.__qualname__, value.targetoptions, function.__code__,
                 function.__defaults__, cells, globals_of(function.__code__, function.__globals__)]
        return describe(parts, (*within, function))
    if hasattr(value, "_defn"):                 # an intrinsic: all of the files that write its instructions
        return describe([value._defn.__name__, *files_of(value._defn.__module__)], within)
    if isinstance(value, CodeType):
        return describe([value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_freevars,
                         value.co_argcount, value.co_flags], within)
    if isinstance(value, ModuleType) or callable(value) and hasattr(value, "__name__"):     # np.exp: Numba has its own
        return f"{getattr(value, '__module__', '')}.{value.__name__}"
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {value.shape} {digest(value.tobytes()).hex()}"
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        items = [describe(item, within).encode() for item in (value.items() if isinstance(value, dict) else value)]
        if not isinstance(value, (list, tuple)):
            items.sort()
        return f"{type(value).__name__} {len(items)} {digest(*items).hex()}"
    return repr(value)


def globals_of(code: CodeType, scope: dict) -> dict:
    """{name: value} of the globals that this code reads; of modules, the attributes that it may read."""
    found = {}
    for name in {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"} & set(scope):
        found[name] = scope[name]
        if isinstance(scope[name], ModuleType):
            attributes = vars(scope[name])
            found.update({f"{name}.{n}": attributes[n] for n in code.co_names if n in attributes})
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found.update(globals_of(inner, scope))
    return found


def files_of(module: str) -> list[dict]:
    """What this module defines, and those of its package that it takes names from."""
    found, todo = {}, [module]
    while todo:
        name = todo.pop()
        scope = vars(sys.modules[name])
        found[name] = defined_in(scope, name)
        origins = {getattr(value, "__module__", None) or "" for value in scope.values()}
        todo += sorted({o for o in origins if o.partition(".")[0] == module.partition(".")[0]} - set(found) - set(todo))
    return [found[name] for name in sorted(found)]


def defined_in(scope: dict, module: str) -> dict:
    """{name: value or code} of the constants, functions and classes that are this module's own."""
    found = {}
    for name, value in scope.items():
        value = inspect.unwrap(getattr(value, "fget", getattr(value, "__func__", value)))      # of a property, a static method
        if isinstance(value, FunctionType):
            if value.__module__ == module:
                found[name] = [value.__code__, value.__defaults__, value.__kwdefaults__]
        elif isinstance(value, type):
            if value.__module__ == module:
                found[name] = defined_in(vars(value), module)
        elif not name.startswith("__") and not isinstance(value, ModuleType) and " at 0x" not in repr(value):
            found[name] = repr(value)
    return found


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(parts)).digest()


# ---- files --------------------------------------------------------------------------------------

def folder() -> Path:
    """Errors: RuntimeError where there is no home directory."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "scratchnet"
    from .data.files import cache_folder        # here, because scratchnet.data is above the kernels
    return cache_folder() / "kernels"


def write(path: Path, content: bytes) -> None:
    """All of it or nothing, as other processes see it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        remove(temporary)


def touch(path: Path) -> None:
    """Mark as used now."""
    try:
        os.utime(path)
    except OSError:                             # a folder that can only be read is fine
        pass


def remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass


def prune(where: Path) -> None:
    """Keep the files used last.  A process that wanted one of the others compiles it again."""
    used = {}
    for path in where.iterdir():
        try:
            used[path] = path.stat().st_mtime
        except OSError:                         # another process removed it
            pass
    for path in sorted(used, key=used.get)[:-LIMIT]:
        remove(path)


# ---- messages -----------------------------------------------------------------------------------

_said: set[str] = set()


def uncached(error: Exception) -> None:
    say("uncached", f"a compiled kernel cannot be kept ({error}), so every run compiles it again"
                    + isinstance(error, (OSError, RuntimeError)) * "; set NUMBA_CACHE_DIR to a folder that can be written")


def say(topic: str, line: str) -> None:
    """One line on the terminal, the first time in this process; never a reason to stop."""
    if topic not in _said and sys.stderr is not None:
        _said.add(topic)
        try:
            print(f"scratchnet: {line}", file=sys.stderr, flush=True)
        except (OSError, ValueError):           # closed
            pass
