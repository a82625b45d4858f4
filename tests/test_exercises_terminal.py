"""A new user's path, through a real terminal: start, watch, a wrong answer, hints, the right one, the solution."""
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parent.parent


def control() -> None:
    """Make standard input the terminal whose Ctrl-C reaches this process."""
    import fcntl
    import termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program at a pseudo-terminal of its own: what it shows, and keys for it."""

    def __init__(self, *arguments, cwd):
        ours, theirs = pty.openpty()
        self.fd, self.text = ours, ""
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        self.process = subprocess.Popen([sys.executable, "-m", "scratchnet.exercises", *arguments], stdin=theirs,
                                        stdout=theirs,
                                        stderr=theirs, cwd=cwd, start_new_session=True, preexec_fn=control,
                                        env={**environment, "PYTHONPATH": str(ROOT), "TERM": "xterm"})
        os.close(theirs)

    def expect(self, pattern: str, seconds: float = 120.0) -> str:
        """What is shown up to and including the pattern."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text, re.S)):
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{self.text}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 1 << 16).decode("utf-8", "replace")
                except OSError:                 # the program has ended
                    assert re.search(pattern, self.text, re.S), f"it ended without {pattern!r}:\n{self.text}"
        shown, self.text = self.text[:found.end()], self.text[found.end():]
        return shown

    def press(self, key: str) -> None:
        os.write(self.fd, key.encode())

    def close(self) -> int:
        return self.process.wait(20)


@pytest.fixture
def terminal():
    """Terminals that are gone after the test, however it ends."""
    opened = []

    def open_(*arguments, cwd):
        opened.append(Terminal(*arguments, cwd=cwd))
        return opened[-1]
    yield open_
    for one in opened:
        os.close(one.fd)
        try:
            one.process.wait(20)                # it hears that the terminal is closed
        finally:
            one.process.kill()


def save(path: Path, text: str) -> None:
    """As editors do: to another file, then renamed."""
    other = path.with_suffix(".tmp")
    other.write_text(text, encoding="utf-8")
    os.replace(other, path)


def test_a_new_users_path(tmp_path, terminal):
    folder = tmp_path / "neu hier ñ"
    begun = terminal("start", str(folder), cwd=tmp_path)
    begun.expect(r"exercises are new in .*now:  cd .*neu hier ñ.*watch.*01_numeric_derivative\.py")
    assert begun.close() == 0

    file = folder / "06_dense_backward.py"
    stub = file.read_text(encoding="utf-8")
    watch = terminal("watch", "dense_backward", cwd=folder)
    watch.expect(r"06 A dense layer, backwards.*keys:  h hint.*still to be written.*raise NotImplementedError")
    save(file, stub.replace("raise NotImplementedError", "dx = g @ w.T; dw = g.T @ x; db = g.sum(axis=0)"))
    watch.expect(r"not right yet.*w\x1b\[0m  TRANSPOSED.*the gradient is transposed: shape.*"
                 r"\?.*Which of two indices of the sum stays first\?.*\(0 of 4 seen\)")
    for level, words in enumerate(("the diagnosis names the gradient", r"dw \(D,N\)·\(N,M\)", "x with n last, x.T",
                                   r"write   dx = g @ w\.T"), 1):
        watch.press("h")
        watch.expect(f"hint {level} of 4.*{words}")
    file.write_text(stub.replace("raise NotImplementedError", "while True: pass"),
                    encoding="utf-8")          # and, while that runs:
    time.sleep(0.5)
    save(file, stub.replace("raise NotImplementedError", "dx = g @ w.T; dw = x.T @ g; db = g.sum(axis=0)"))
    watch.expect(r"✓ 06 dense_backward: right.*costs\s+two\s+forward\s+passes.*07 ReLU, sigmoid and tanh")
    watch.press("s")
    watch.expect(r"dw = x\.T @ g\r\n    db = g\.sum\(axis=0\)")
    watch.press("l")
    watch.expect(r"✓.{0,9} 06 dense_backward.*4 of 4 hints.*1 of \d+ passed; next: 07_activations\.py")
    save(folder / "09_softmax_cross_entropy.py",
         (folder / "09_softmax_cross_entropy.py").read_text(encoding="utf-8") + "\n")
    watch.expect(r"09 Softmax cross-entropy.*still to be written")         # the file that was saved is run
    watch.press("q")
    assert watch.close() == 0

    listed = terminal("list", cwd=folder)
    listed.expect(r"1 of \d+ passed")
    assert listed.close() == 0


@pytest.mark.full
def test_ctrl_c_leaves_no_process_behind(tmp_path, terminal):
    folder = tmp_path / "x"
    subprocess.run([sys.executable, "-m", "scratchnet.exercises", "start", str(folder)], cwd=ROOT, check=True,
                   capture_output=True)
    file = folder / "01_numeric_derivative.py"
    endless = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n    while True: pass"
    file.write_text(file.read_text(encoding="utf-8").replace("raise NotImplementedError", endless, 1), encoding="utf-8")
    watch = terminal("watch", cwd=folder)
    watch.expect("01 The slope of a function")
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)
    watch.press("\x03")
    assert watch.close() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
