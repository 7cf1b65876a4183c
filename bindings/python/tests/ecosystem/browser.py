"""A headless Chromium of the system, driven by Playwright: pages that go somewhere, evaluate, and take pictures."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import ConsoleMessage

PATIENCE = 120.0
# What the console says of a connection that cannot be made, or ends: no fault of the page.
CONNECTIONS = ("Failed to load resource: net::", "WebSocket connection to ")
# An answer to a request for a connection that the server of before had.
GONE = "Failed to load resource: the server responded with a status of 400 "


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One browser context with one page: cookies and storage are its own. Whatever it waits for has PATIENCE."""

    def __init__(self, running: Chromium, width: int, height: int, dark: bool):
        phone = width < 600
        self.context = running.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=phone,
            has_touch=phone,
        )
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page = self.context.new_page()
        # What the page threw, and what its console has of errors.
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        text, address = message.text, message.location["url"]
        gone = text.startswith(GONE) and "&sid=" in address
        if message.type == "error" and not text.startswith(CONNECTIONS) and not gone:
            self.errors.append(f"{text} ({address})")

    def go(self, address: str) -> None:
        self.page.goto(address)

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def wait_for(self, expression: str) -> Any:
        """Until the expression is true; its value."""
        from playwright.sync_api import TimeoutError as Late

        try:
            return self.page.wait_for_function(expression, polling=50).json_value()
        except Late:
            text = self.evaluate("document.body.innerText")
            raise AssertionError(f"{expression} did not come true in {PATIENCE} s; the page says\n{text}") from None

    def type(self, label: str, text: str, end: str = "Enter") -> None:
        """Into the box that has this label; not before the box is seen and takes text."""
        box = self.page.get_by_label(label, exact=True)
        box.fill(text)
        if end:
            box.press(end)

    def point(self, selector: str, x: int, y: int) -> None:
        """The mouse, to a place in it."""
        self.page.hover(selector, position={"x": x, "y": y})

    def network(self, there: bool) -> None:
        self.context.set_offline(not there)

    def tap(self, button: str) -> None:
        """With a finger, on a phone: it must be seen, and nothing may lie over it."""
        self.page.get_by_role("button", name=button, exact=True).tap()

    def shows(self, role: str, text: str) -> None:
        """Until what has this role is seen, with this text in it."""
        from playwright.sync_api import expect

        found = self.page.get_by_role(role).filter(has_text=text)  # type: ignore[arg-type]
        expect(found.first).to_be_visible(timeout=PATIENCE * 1000)

    def picture(self, path: Path, full: bool = False) -> None:
        self.page.screenshot(path=path, full_page=full)


class Browser:
    def __init__(self, running: Chromium):
        self.running = running

    def page(self, width: int = 1280, height: int = 860, dark: bool = False) -> Page:
        return Page(self.running, width, height, dark)

    def leave(self) -> None:
        """Closes all pages."""
        for context in self.running.contexts:
            context.close()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium(), chromium_sandbox=os.geteuid() != 0, timeout=PATIENCE * 1000
        )
        try:
            yield Browser(running)
        finally:
            running.close()
