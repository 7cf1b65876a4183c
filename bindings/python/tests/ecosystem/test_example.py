"""examples/python/chat_socketio.py does what its first lines say."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from conftest import ROOT

from .support import PATIENCE, in_order, need, serving

need("flask_socketio", "socketio", "requests", "websocket")
import socketio  # noqa: E402

CHAT = ROOT / "examples" / "python" / "chat_socketio.py"
pytestmark = pytest.mark.skipif(not CHAT.is_file(), reason="not in an installed package")


class Person:
    def __init__(self, url: str, transport: str):
        self.wire = in_order(socketio.Client(reconnection=False, request_timeout=PATIENCE))
        self.heard: Queue[Any] = Queue()
        self.wire.on("*", lambda event, value: self.heard.put((event, value)))
        self.wire.connect(url, transports=[transport], wait_timeout=PATIENCE)

    def call(self, event: str, *values: Any) -> Any:
        return self.wire.call(event, values, timeout=PATIENCE)

    def next(self) -> Any:
        return self.heard.get(timeout=PATIENCE)


def test_the_chat(tmp_path: Path) -> None:
    assert len(CHAT.read_text().splitlines()) < 80
    with serving(CHAT, tmp_path) as program:
        assert program.log.read_text().startswith(f"port {program.port}\n")
        ada, kofi, mira = (Person(program.url, way) for way in ("websocket", "polling", "websocket"))
        assert ada.call("say", "nobody hears this") is False
        assert ada.call("join", "Ada", "tea") == []
        assert mira.call("join", "Mira", "coffee") == []
        assert ada.call("say", "first") is True
        assert ada.next() == ("said", ["Ada", "first"])
        assert kofi.call("join", "Kofi", "tea") == [["Ada", "first"]]
        assert ada.next() == ("came", "Kofi")
        kofi.call("say", "hello")
        assert ada.next() == kofi.next() == ("said", ["Kofi", "hello"])
        with urllib.request.urlopen(program.url, timeout=PATIENCE) as answer:
            assert json.load(answer) == {"people": 3, "rooms": ["coffee", "tea"]}
        kofi.wire.disconnect()
        assert ada.next() == ("left", "Kofi")
        ada.call("join", "Ada", "coffee")
        assert mira.next() == ("came", "Ada"), "and nothing that was said over tea"
        for person in (ada, mira):
            person.wire.disconnect()
