"""A real browser for tests, driven by its own protocol; skips where there is none.

Chromium reads commands from file descriptor 3 and answers on 4, each message ending in
a zero byte: no driver, no port and no package is needed.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60
FIRST_FREE = 10  # descriptors below may be those of the protocol


class Page:
    """One tab, and what can be asked of it."""

    def __init__(self, commands, answers):
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method, **params):
        """Sends a command and returns its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda each: each.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def _wait(self, is_wanted):
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._answers], [], [], SECONDS)
                assert ready, f"the browser said nothing for {SECONDS} seconds"
                data = os.read(self._answers, 1 << 20)
                assert data, "the browser is gone"
                self._buffer += data
            message, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(message)
            if is_wanted(answer):
                return answer

    def open(self, path, width, height, is_dark=False):
        """Loads a file in a window of a size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        value = "dark" if is_dark else "light"
        feature = {"name": "prefers-color-scheme", "value": value}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._wait(lambda each: each.get("method") == "Page.loadEventFired")

    def evaluate(self, script):
        """Returns the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press_tab(self):
        """Presses the tab key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Tab",
                code="Tab",
                windowsVirtualKeyCode=9,
            )

    def screenshot(self, path):
        """Writes a picture of what the window shows."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextlib.contextmanager
def opened(folder):
    """Gives a `Page` of a browser that keeps its files in a folder."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()

    def give_descriptors():
        high = [os.dup(read_commands), os.dup(write_answers)]
        while min(high) < FIRST_FREE:
            high = [os.dup(each) for each in high]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"),
        ],
        preexec_fn=give_descriptors,
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Page(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        process.kill()
        process.wait()
