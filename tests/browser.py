"""Chromium over its debugging pipe: real keys and sizes, what a page complains of and asks for.

Of the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/) a few commands.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)

# The browser reads commands from descriptor 3 and answers on 4.
LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Enter": 13}


class Browser:
    """A running browser."""

    def __init__(self, profile: Path) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs_in, theirs_out)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *map(str, high), str(BROWSER), *FLAGS,
             f"--user-data-dir={profile}"],
            pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
        self._answers, self._commands = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self._buffer, self._count = b"", 0
        self.events: list[dict] = []

    def send(self, method: str, session: str | None = None, **parameters) -> dict:
        """Give a command and return its result; events that come meanwhile are kept."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        self._commands.write(json.dumps(command).encode() + b"\0")
        self._commands.flush()
        while True:
            message = self._read()
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def wait_for(self, method: str, session: str) -> None:
        """Read until an event of that name has come."""
        while not any(e.get("method") == method and e.get("sessionId") == session
                      for e in self.events):  # fmt: skip
            self.events.append(self._read())

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._commands.close()

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            data = os.read(self._answers.fileno(), 1 << 20)
            assert data, "the browser is gone"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


class Page:
    """One open page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def send(self, method: str, **parameters) -> dict:
        """Give a command to the page."""
        return self._browser.send(method, self._session, **parameters)

    def run(self, expression: str):
        """Return the value of an expression, of a promise what it comes to."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true; a minute without it is a failure."""
        self.run(f"""new Promise((done, fail) => {{
          const began = Date.now();
          const look = () => ({condition}) ? done()
            : Date.now() - began > 60000 ? fail("never: " + {json.dumps(condition)})
            : setTimeout(look, 20);
          look();
        }})""")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key],
                  "modifiers": 8 * shift}  # fmt: skip
        text = {"text": "\r"} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def point(self, x: float, y: float) -> None:
        """Put the mouse on a place of the window."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=whole,
                           **({"clip": self._whole()} if whole else {}))  # fmt: skip
        path.write_bytes(base64.b64decode(answer["data"]))

    def _whole(self) -> dict:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {**size, "scale": 1}

    @property
    def complaints(self) -> list[str]:
        """What the console has: messages, errors, and what the policy forbade."""
        self.run("0")
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(e["params"]) for e in self._mine() if e.get("method") in kinds]

    @property
    def requests(self) -> list[str]:
        """The addresses asked for, the page's own and data in it left out."""
        self.run("0")
        asked = [
            e["params"]["request"]["url"]
            for e in self._mine()
            if e.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(("file:", "data:"))]

    def _mine(self) -> list[dict]:
        return [e for e in self._browser.events if e.get("sessionId") == self._session]


@contextmanager
def opened(browser: Browser, path: Path, width=1400, *, scheme="light", scripts=True,
           media="screen") -> Iterator[Page]:  # fmt: skip
    """Open a file in a window of that width; close it in the end."""
    target = browser.send("Target.createTarget", url="about:blank")["targetId"]
    session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Page(browser, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.send(f"{domain}.enable")
    page.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
              mobile=False)  # fmt: skip
    page.send("Emulation.setEmulatedMedia", media=media,
              features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip
    page.send("Emulation.setScriptExecutionDisabled", value=not scripts)
    page.send("Page.navigate", url=path.as_uri())
    browser.wait_for("Page.loadEventFired", session)
    yield page
    browser.send("Target.closeTarget", targetId=target)
