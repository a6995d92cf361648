"""A headless Chromium that tests drive over its debugging pipe: no port, no driver, no further package.

The pipe carries JSON messages that end with a zero byte: file descriptor 3 is
read by the browser, 4 is written by it (`--remote-debugging-pipe`).  Scripts
are evaluated from outside of the page, so a strict content security policy
stays in force.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
ANSWER_S = 60.0
TAB = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}


def installed() -> str | None:
    """The browser's path; None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class BrowserFailed(AssertionError):
    """The browser said no, or nothing."""


class Page:
    """One tab. Everything that goes wrong in it, refused by the policy or thrown, is kept in `complaints`."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    @property
    def complaints(self) -> list[str]:
        """Errors, warnings and policy violations that the page has caused."""
        return self._browser.complaints

    def call(self, method: str, **values: object) -> dict[str, Any]:
        """One command of the browser's protocol."""
        return self._browser.call(method, self._session, values)

    def screen(self, width: int, height: int, *, dark: bool = False, calm: bool = False) -> None:
        """Size in CSS pixels, colour scheme, and whether motion is unwanted."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        """Go to an address and wait until an expression is true there."""
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserFailed(f"{url}: {answer['errorText']}")
        self.wait(f"location.href !== 'about:blank' && {ready}")

    def wait(self, expression: str, within_s: float = 30) -> None:
        """Wait until an expression is true; the bound only ends a failing test."""
        end = time.monotonic() + within_s
        while not self.ask(expression):
            if time.monotonic() > end:
                shown = self.ask("document.body?.innerText.slice(0, 1500)")
                raise BrowserFailed(f"never came true: {expression}; the page shows: {shown}")
            time.sleep(0.4)

    def ask(self, expression: str) -> Any:  # noqa: ANN401 - what a script returns
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: dict[str, object], text: str = "") -> None:
        """Press and let go a key."""
        self.call("Input.dispatchKeyEvent", type="keyDown", **key, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the screen, or of the whole page."""
        values: dict[str, object] = {"format": "png"}
        if whole:
            size = self.ask("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            values |= {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1},
            }
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **values)["data"]))


class Browser:
    """A running browser with one tab; ends with its `with` block."""

    def __init__(self, command: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="browser-")
        read_end, self._to = os.pipe()
        self._from, write_end = os.pipe()
        script = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'  # the browser wants these two numbers
        arguments = [command, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "browser", str(read_end), str(write_end), *arguments],
            pass_fds=(read_end, write_end),
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        self._rest = b""
        self._number = 0
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def page(self) -> Page:
        """A new tab."""
        target = self.call("Target.createTarget", None, {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", None, {"targetId": target, "flatten": True})
        return Page(self, session["sessionId"])

    def call(self, method: str, session: str | None, values: dict[str, object]) -> dict[str, Any]:
        """Send a command and wait for its answer; what comes in between is looked through."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": values}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserFailed(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self, method: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], ANSWER_S)
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise BrowserFailed(f"the browser did not answer {method}")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(values["exceptionDetails"])[:400])
            case "Log.entryAdded" if values["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")
            case _:
                pass
