"""The page of `make demo` in a real Chromium: two people chat, the dashboard moves, the network or the server goes and comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, once

from .browser import Browser, Page, browser, chromium
from .support import Program, command, free_port, need

need("flask_socketio", "playwright")
DEMO = ROOT / "demo"
pytestmark = [
    once,
    pytest.mark.skipif(chromium() is None, reason="chromium is not installed"),
    pytest.mark.skipif(not DEMO.is_dir(), reason="not in an installed package"),
]
DEVICES = 60
LIVE = "document.querySelector('#connection').dataset.state === 'open'"


# How many colours the first cells of the map have.
COLOURS = """(map => new Set(new Uint32Array(map.getContext('2d').getImageData(0, 0, 200, 9).data.buffer)).size)(
    document.querySelector('#map'))"""
# Texts whose contrast to what is behind them is under 4.5 (WCAG AA).
CONTRASTS = """(() => {
    const parts = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(one => one / 255)
        .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const found = parts(getComputedStyle(node).backgroundColor);
            if (found.length < 4 || found[3] === 1) return found;
        }
        return [255, 255, 255];
    };
    const bad = [];
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.offsetParent) continue;
        const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) bad.push(`${node.tagName} ${node.textContent.trim()}: ${contrast}`);
    }
    return bad;
})()"""


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def chrome(started: Browser) -> Iterator[Browser]:
    yield started
    started.leave()


class Demo:
    """The demo's server on one port, which can be killed and started again, and its fleet."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.programs: list[Program] = []

    def start(self) -> Program:
        line = command(DEMO / "app.py", str(self.port))
        program = Program(line, self.port, self.folder / "server.log", DEMO_DEVICES=str(DEVICES))
        self.programs.append(program)
        return program.wait()

    def fleet(self) -> None:
        numbers = [str(self.port), str(DEVICES), "0", "0"]
        line = [sys.executable, "-m", "greenrt", str(DEMO / "fleet.py"), "127.0.0.1", *numbers]
        self.programs.append(Program(line, self.port, self.folder / "fleet.log"))


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    try:
        made.start()
        yield made
    finally:
        for program in made.programs:
            program.stop()


# The page's client on a server that is played here: an answer, and behind it in the same reply an event.
ANSWER_AND_EVENT = """async () => {
    const order = [], open = '0{"sid": "a", "pingInterval": 60000, "pingTimeout": 60000}', never = new Promise(() => {});
    const replies = [open, '40{"sid": "b"}'];
    let more, asked = new Promise((resolve) => more = resolve);
    window.fetch = async (address, { method }) => {
        if (method === "POST") return { ok: true, text: async () => "ok" };
        if (!replies.length) await asked;
        const reply = replies.shift() ?? await never;
        return { ok: true, text: async () => reply };
    };
    const { Socket } = await import("/static/socket.js");
    const socket = new Socket({ address: location.origin + "/played/", transport: 1 });
    const heard = new Promise((resolve) => socket.on("said", (text) => setTimeout(resolve, 0, order.push(text))));
    socket.on("state", (state) => {
        if (state !== "open") return;
        socket.emit("join").then((text) => order.push(text));
        replies.push('430["answer"]\\x1e42["said","event"]');
        more();
    });
    socket.connect();
    await heard;
    return order.join();
}"""


def opened(chrome: Browser, demo: Demo, name: str, query: str = "", **look: object) -> Page:
    page = chrome.page(**look)  # type: ignore[arg-type]
    page.go(f"http://127.0.0.1:{demo.port}/{query}")
    page.wait_for(LIVE)
    page.type("Your name", name)
    return page


def hears(page: Page, speaker: str, text: str) -> None:
    said = f"line.querySelector('b')?.textContent === {speaker!r} && line.textContent.includes({text!r})"
    page.wait_for(f"[...document.querySelectorAll('#talk li')].some(line => {said})")


@pytest.mark.parametrize("query", ["", "?transport=polling"], ids=["websocket", "polling"])
def test_two_people_chat(chrome: Browser, demo: Demo, query: str) -> None:
    ada, kofi = opened(chrome, demo, "Ada", query), opened(chrome, demo, "Kofi", query, width=390, height=844)
    ada.wait_for("document.querySelector('#people').textContent === '2 people'")
    ada.type("Message", "hello <b>everybody</b> & good morning")
    for page in (ada, kofi):
        hears(page, "Ada", "hello <b>everybody</b> & good morning")
    kofi.type("Message", "good morning Ada", end="")
    kofi.tap("Send")
    for page in (ada, kofi):
        hears(page, "Kofi", "good morning Ada")
        assert page.evaluate("document.querySelectorAll('#talk li').length") == 2
        assert page.errors == []


def test_an_answer_is_heard_before_what_came_behind_it(chrome: Browser, demo: Demo) -> None:
    page = chrome.page()
    page.go(f"http://127.0.0.1:{demo.port}/static/socket.js")
    assert page.evaluate(f"({ANSWER_AND_EVENT})()") == "answer,event"


# Beside one that has the other transport: what is sent to both is encoded for each.
@pytest.mark.parametrize(
    ("query", "other"), [("", "?transport=polling"), ("?transport=polling", "")], ids=["websocket", "polling"]
)
def test_the_dashboard_moves(chrome: Browser, demo: Demo, query: str, other: str) -> None:
    demo.fleet()
    beside, page = opened(chrome, demo, "Kofi", other), opened(chrome, demo, "Ada", query)
    page.wait_for(f"document.querySelector('#devices').textContent === '{DEVICES}'")
    page.wait_for("Number(document.querySelector('#rate').textContent) > 0")
    pixels = "document.querySelector('#rate-chart').toDataURL()"
    first = page.wait_for(pixels)
    page.wait_for(f"{pixels} !== {first!r}")
    # The map has colours beside that of devices that are offline, and a cell tells of its device.
    page.wait_for(COLOURS + " > 5")
    page.point("#map", 3, 3)
    assert page.evaluate("document.querySelector('#cell').textContent").startswith("Device 0, Oslo: ")
    assert page.errors == beside.errors == []


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1280, False)])
def test_the_page_fits(chrome: Browser, demo: Demo, width: int, dark: bool) -> None:
    page = opened(chrome, demo, "Ada", width=width, height=844, dark=dark)
    page.wait_for("document.querySelector('#threads').textContent === '1'")
    assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("innerWidth") == width
    assert page.evaluate(CONTRASTS) == []
    if os.environ.get("ECOSYSTEM_PICTURES"):
        page.picture(
            Path(os.environ["ECOSYSTEM_PICTURES"], f"page-{width}-{'dark' if dark else 'light'}.png"), full=True
        )


@pytest.mark.parametrize("query", ["", "?transport=polling"], ids=["websocket", "polling"])
def test_a_browser_without_network_says_so_and_comes_back(chrome: Browser, demo: Demo, query: str) -> None:
    ada, kofi = opened(chrome, demo, "Ada", query), opened(chrome, demo, "Kofi")
    ada.network(False)
    ada.shows("status", "Connection lost")
    ada.shows("alert", "Connection lost.")
    ada.type("Message", "from the tunnel")
    kofi.type("Message", "where is Ada?")
    hears(kofi, "Kofi", "where is Ada?")
    ada.network(True)
    ada.shows("status", "Live")
    # Each has what the other said meanwhile.
    hears(ada, "Kofi", "where is Ada?")
    for page in (ada, kofi):
        hears(page, "Ada", "from the tunnel")
    assert ada.errors == kofi.errors == []


def test_the_server_is_killed_and_comes_back(chrome: Browser, demo: Demo) -> None:
    demo.fleet()
    ada, kofi = opened(chrome, demo, "Ada"), opened(chrome, demo, "Kofi", "?transport=polling")
    ada.type("Message", "before")
    hears(kofi, "Ada", "before")
    demo.programs[0].process.kill()
    demo.programs[0].process.wait()
    for page in (ada, kofi):
        page.wait_for("document.querySelector('#connection').dataset.state === 'lost'")
        page.shows("alert", "Connection lost.")
    # What is said meanwhile is shown as waiting, and said when the server is back.
    ada.type("Message", "meanwhile")
    assert ada.evaluate("document.querySelector('#talk li.waiting').textContent") == "meanwhile"
    demo.start()
    for page in (ada, kofi):
        page.wait_for(LIVE)
        page.wait_for("document.querySelector('#lost').hidden")
        hears(page, "Ada", "meanwhile")
    assert ada.evaluate("document.querySelectorAll('#talk li.waiting').length") == 0
    # The fleet finds its way back as well.
    ada.wait_for(f"document.querySelector('#devices').textContent === '{DEVICES}'")
    kofi.type("Message", "after")
    hears(ada, "Kofi", "after")
    assert ada.errors == kofi.errors == []
    assert "Traceback" not in (demo.folder / "server.log").read_text()
