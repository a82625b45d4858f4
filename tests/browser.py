"""A headless Chromium for tests: spoken to through a pair of pipes, with nothing installed but the browser itself.

    with Browser(tmp_path) as page:  page.open(path);  page.run("1 + 1");  page.press("ArrowRight");  page.screenshot(path)

Looks for the browser in $CHROMIUM and on the PATH.  The protocol (JSON, each message ended by a zero byte) is that of
https://chromedevtools.github.io/devtools-protocol.
"""
from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell", "chrome")
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, "Escape": 27, "Tab": 9}


def find() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page.  errors: what the console and uncaught exceptions said.  requests: addresses asked for after the page itself."""

    def __init__(self, folder: Path, dark: bool = False, size: tuple[int, int] = (1500, 1100)):
        self.errors, self.requests, self.count, self.buffer = [], [], 0, b""
        ours, theirs = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-pipe",
                   f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}", "--hide-scrollbars"]
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (ours[0], theirs[1])]

        def connect():                                         # the browser reads fd 3 and writes fd 4
            os.dup2(ends[0], 3), os.dup2(ends[1], 4)
        self.process = subprocess.Popen([find(), *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=connect, pass_fds=(3, 4))
        for fd in (ours[0], theirs[1], *ends):
            os.close(fd)
        self.write_end, self.read_end = ours[1], theirs[0]
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")
        self.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    session = None

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception):
        os.close(self.write_end), os.close(self.read_end)
        self.process.terminate()
        self.process.wait(timeout=20)

    def send(self, method: str, **params) -> dict:
        self.count += 1
        message = {"id": self.count, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write_end, data):]
        deadline = time.time() + 300
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def receive(self, deadline: float) -> dict:
        while b"\0" not in self.buffer:
            if not select.select([self.read_end], [], [], max(0, deadline - time.time()))[0]:
                raise TimeoutError("the browser does not answer")
            self.buffer += os.read(self.read_end, 1 << 20)
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", str(params)))
        elif method == "Log.entryAdded" or method == "Runtime.consoleAPICalled":
            self.errors.append(json.dumps(params)[:500])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("data:", "about:")):
            self.requests.append(params["request"]["url"])
        return message

    def open(self, path: Path, fragment: str = "") -> None:
        self.send("Page.navigate", url="about:blank")
        self.requests.clear()
        self.send("Page.navigate", url=path.resolve().as_uri() + fragment)
        deadline = time.time() + 120
        while self.run("document.documentElement?.dataset.ready || ''") == "":
            assert time.time() < deadline, f"the page never said that it is ready; {self.errors}"
            time.sleep(0.02)

    def run(self, expression: str):
        """The value of a JavaScript expression on the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "exception"))
        return result["result"].get("value")

    def ready_after(self) -> tuple[float, float]:
        """(seconds from the start of loading until the page said that it is ready, seconds the page's thread has worked)."""
        metrics = {m["name"]: m["value"] for m in self.send("Performance.getMetrics")["metrics"]}
        return int(self.run("document.documentElement.dataset.ready")) / 1000, metrics["TaskDuration"]

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS.get(key) or ord(key.upper()),
                      **({"text": key} if len(key) == 1 and kind == "keyDown" else {}))

    def move(self, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        box = self.run(f"(e => {{ e.scrollIntoView({{block: 'center', inline: 'center'}}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})"
                       f"(document.querySelector({json.dumps(selector)}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def screenshot(self, path: Path) -> Path:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        return path
