"""An exception in the learner's file, as a sentence about their own line."""
from __future__ import annotations

import linecache
import re
import traceback
from pathlib import Path
from types import FrameType

import numpy as np

from .judging import Finding
from .numba_errors import translated


KNOWN = (
    (NotImplementedError, "UNFINISHED", "is still to be written: replace  raise NotImplementedError  by your code"),
    (SystemExit, "EXIT", "calls exit: the file ended Python before it could be judged; take that out"),
    (EOFError, "INPUT", "waits for input(): there is nobody to type; give the value in the code"),
    (MemoryError, "MEMORY", "asked for more memory than there is: is an array far too large, or does a list grow "
                            "without end?"),
    (RecursionError, "RECURSION", "calls itself without end, or once per step of a long chain: use a loop with a list "
                                  "of what is still to do"),
)


def syntax(error: Exception, path: Path) -> Finding:
    """The file cannot be read as Python."""
    if not_utf8(path):
        return Finding(path.name, "SYNTAX", "", f"{path.name} is not Python: it is not saved as UTF-8, and so its letters "
                       "cannot be read; choose UTF-8 in your editor and save it again")
    line, what = getattr(error, "lineno", None), getattr(error, "msg", None) or str(error)
    text = (getattr(error, "text", None) or "").strip()
    place = f"line {line}" if line else path.name
    return Finding(place, "SYNTAX", "", f"{place} is not Python: {what}" + (f":  {text}" if text else ""))


def not_utf8(path: Path) -> bool:
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        return True
    return False


def explain(error: BaseException, path: Path) -> Finding:
    """What happened, where in the learner's file.  BROKEN if it happened in ours."""
    frames = [(frame, number) for frame, number in traceback.walk_tb(error.__traceback__)
              if frame.f_code.co_filename == str(path)]
    frame, number = frames[-1] if frames else (None, None)
    place = f"line {number}" if number else path.name
    from_numba = translated(error, path)
    if from_numba:
        return from_numba
    if frame is None and isinstance(error, Exception):
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
        return Finding("*", "BROKEN", "", text)
    for kind, code, text in KNOWN:
        if isinstance(error, kind):
            return Finding(place, code, "", f"{place} {text}")
    code = linecache.getline(str(path), number).strip()
    where = f"{place}, in {frame.f_code.co_name}" if frame.f_code.co_name != "<module>" else place
    return Finding(place, "ERROR", type(error).__name__,
                   f"{where}:  {code}\n{type(error).__name__}: {short(error)}{shapes(frame, code)}")


def short(error: BaseException) -> str:
    try:
        text = re.sub(r"\s+", " ", str(error)).strip()
    except Exception:                           # their own __str__ fails
        return "(it has no text that can be printed)"
    return text if len(text) < 300 else text[:297] + "…"


def shapes(frame: FrameType, code: str) -> str:
    """'; there x is (5, 3), w is (3, 4)' for the arrays that this line names."""
    names = dict.fromkeys(re.findall(r"[^\W\d]\w*", code))
    arrays = [(name, frame.f_locals[name]) for name in names if isinstance(frame.f_locals.get(name), (np.ndarray, tuple))]
    parts = [f"{name} has shape {value.shape}" if isinstance(value, np.ndarray) else f"{name} is {value}"
             for name, value in arrays if isinstance(value, np.ndarray) or len(repr(value)) < 40]
    return f"\nthere {', '.join(parts)}" if parts else ""
