"""A headless Chromium, driven over its DevTools WebSocket: pages that go somewhere, evaluate, and take pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One browser context with one page: cookies and storage are its own."""

    def __init__(self, browser: Browser, width: int, height: int, dark: bool):
        self.browser = browser
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def call(self, method: str, **parameters: Any) -> Any:
        return self.browser.call(method, session=self.session, **parameters)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, patience: float = PATIENCE) -> Any:
        """Until the expression is true; its value."""
        end = time.monotonic() + patience
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > end:
                text = self.evaluate("document.body.innerText")
                raise AssertionError(f"{expression} did not come true in {patience} s; the page says\n{text}")
            time.sleep(0.05)

    def type(self, selector: str, text: str) -> None:
        """As a person does: focus, keys, Enter."""
        self.evaluate(f"(box => {{ box.focus(); box.select() }})(document.querySelector({json.dumps(selector)}))")
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )

    def picture(self, path: Path, full: bool = False) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(shot["data"]))

    @property
    def errors(self) -> list[str]:
        """What the page threw, and what its console has of errors; failed connections are not among them."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:500])
            elif event["method"] == "Log.entryAdded":
                entry = parameters["entry"]
                if entry["level"] == "error" and entry["source"] != "network":
                    found.append(entry["text"])
        return found


class Browser:
    def __init__(self, address: str):
        import websocket

        self.socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self.number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        self.socket.send(json.dumps({**request, "sessionId": session} if session else request))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def page(self, width: int = 1280, height: int = 860, dark: bool = False) -> Page:
        return Page(self, width, height, dark)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    program = chromium()
    assert program is not None
    folder = tempfile.mkdtemp(prefix="greenrt-browser-")
    running = None
    try:
        command = [
            program,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "--no-first-run",
        ]
        command += ["--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "about:blank"]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        told = Path(folder, "DevToolsActivePort")
        while not (told.exists() and len(told.read_text().splitlines()) == 2):
            assert running.poll() is None and time.monotonic() < end, "chromium does not start"
            time.sleep(0.05)
        port, path = told.read_text().splitlines()
        driver = Browser(f"ws://127.0.0.1:{port}{path}")
        yield driver
        driver.socket.shutdown()
    finally:
        if running is not None:
            running.terminate()
            running.wait(PATIENCE)
        # Its helpers may still write.
        shutil.rmtree(folder, ignore_errors=True)
