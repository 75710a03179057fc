"""Headless Chromium by its own protocol over a pipe (no driver, no port): open pages, act in them, see what they ask for."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-extensions", "--mute-audio",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)  # fmt: skip
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
SECONDS = 6.0


class Browser:
    """One process, in which pages are opened one after the other."""

    def __init__(self, profile: Path, *options: str) -> None:
        to_them, self._write = os.pipe()
        self._read, from_them = os.pipe()
        assert CHROMIUM is not None

        def placed() -> None:
            # Chromium reads commands from 3 and answers on 4, where either of the two may lie.
            commands, answers = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (to_them, from_them))
            os.dup2(commands, 3)
            os.dup2(answers, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, *OPTIONS, *options, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=placed, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(to_them)
        os.close(from_them)
        self._rest = b""
        self._count = 0
        self._events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """What a command gives."""
        self._count += 1
        number = self._count
        message = {
            "id": number,
            "method": method,
            "params": parameters,
            **({"sessionId": session} if session else {}),
        }
        os.write(self._write, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + SECONDS
        while True:
            told = self.message(ends)
            if told.get("id") == number:
                if "error" in told:
                    raise AssertionError(f"{method}: {told['error']}")
                return told["result"]
            self._events.append(told)

    def message(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise AssertionError("the browser says nothing")
            if not (piece := os.read(self._read, 1 << 20)):
                raise AssertionError("the browser has ended")
            self._rest += piece
        told, _, self._rest = self._rest.partition(b"\0")
        return json.loads(told)

    def events(self) -> list[dict[str, Any]]:
        """What it has told since this was asked last."""
        while select.select([self._read], [], [], 0)[0] or b"\0" in self._rest:
            self._events.append(self.message(time.monotonic() + 1))
        found, self._events = self._events, []
        return found

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        os.close(self._write)
        os.close(self._read)


class Page:
    """A page: `asked` are the addresses that it asked for, `faults` what went wrong in it."""

    def __init__(self, browser: Browser, width: int = 1100, height: int = 900, dark: bool = False) -> None:
        self.browser = browser
        self.asked: list[str] = []
        self.faults: list[str] = []
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.look(width, height, dark)

    def send(self, method: str, **parameters: Any) -> Any:
        return self.browser.send(method, self.session, **parameters)

    def look(self, width: int, height: int = 900, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        self.send("Page.navigate", url=url)
        self.until(f"location.href !== 'about:blank' && ({ready})")

    def run(self, script: str) -> Any:
        """What an expression gives; a promise is awaited."""
        told = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in told:
            raise AssertionError(
                told["exceptionDetails"].get("exception", {}).get("description", told["exceptionDetails"])
            )
        return told["result"].get("value")

    def until(self, script: str, seconds: float = SECONDS) -> Any:
        """What an expression gives, as soon as that is true."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if found := self.run(script):
                return found
            time.sleep(0.03)
        raise AssertionError(f"never true: {script}\n{self.run('document.body.innerText')}\n{self.noticed()}")

    def give_file(self, selector: str, *files: Path) -> None:
        document = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def noticed(self) -> list[str]:
        """What went wrong in the page up to now: errors of scripts, what its policy forbade, what could not be had."""
        for event in self.browser.events():
            if event.get("sessionId") != self.session:
                continue
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            elif event["method"] == "Runtime.exceptionThrown":
                self.faults.append(
                    told["exceptionDetails"].get("exception", {}).get("description", str(told))
                )
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                self.faults.append(told["entry"]["text"])
        return self.faults

    def picture(self, path: Path) -> Path:
        """The whole page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)[
            "data"
        ]
        path.write_bytes(base64.b64decode(data))
        return path

    def close(self) -> None:
        self.browser.send("Target.closeTarget", targetId=self.target)


@contextmanager
def browsing(profile: Path, *options: str) -> Iterator[Browser]:
    browser = Browser(profile, *options)
    try:
        yield browser
    finally:
        browser.close()
