"""The seed program of `make demo` and a client that sends what it likes: no traceback, nothing kept, the others notice nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, once

from .support import Program, need, serving

need("flask_socketio", "websocket")
DEMO = ROOT / "demo"
pytestmark = [once, pytest.mark.skipif(not DEMO.is_dir(), reason="not in an installed package")]
# As they stand in a packet: JSON of Python's kind has the first three as well.
NO_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "-1e9",
    "1" + "0" * 80,
    '"20"',
    "true",
    "null",
    "[]",
    "{}",
    '"nan"',
]
DEEP = "[" * 500 + "]" * 500


class Wire:
    """A connection in one namespace, for packets as they are."""

    def __init__(self, program: Program, namespace: str, auth: str):
        import websocket

        self.prefix = "" if namespace == "/" else namespace + ","
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{program.port}/socket.io/?EIO=4&transport=websocket", timeout=60
        )
        assert self.socket.recv().startswith("0")
        self.socket.send(f"40{self.prefix}{auth}")
        self.admitted = self.next("4").startswith("40")

    def next(self, beginning: str) -> str:
        while True:
            text = self.socket.recv()
            assert text != "", "the server hung up"
            if text == "2":
                self.socket.send("3")
            elif isinstance(text, str) and text.startswith(beginning):
                return text

    def ask(self, values: str) -> Any:
        """What an event (its name and values, in JSON) is answered with."""
        self.socket.send(f"42{self.prefix}7{values}")
        answer = self.next(f"43{self.prefix}7")
        return json.loads(answer[answer.index("[") :])[0]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with serving(DEMO / "app.py", tmp_path, DEMO_DEVICES="8") as running:
        yield running
        said = running.log.read_text()
        assert "Traceback" not in said, said


def sound(text: str) -> Any:
    """JSON as a browser takes it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_devices(program: Program) -> None:
    for number in [*NO_NUMBERS, "8", "-1", "1.0", "0.5", '"0"', DEEP]:
        assert not Wire(program, "/devices", f'{{"device":{number}}}').admitted, number
    for auth in ["", "null", "5", "[]", "{}", '"device"', DEEP]:
        assert not Wire(program, "/devices", auth).admitted, auth
    device, person = Wire(program, "/devices", '{"device":0}'), Wire(program, "/", "")
    assert device.admitted and device.ask('["reading",1,20.5]') == 1
    for number in [*NO_NUMBERS, DEEP]:
        assert device.ask(f'["reading",1,{number}]') is False, number
    for values in ['["reading"]', '["reading",1]', '["reading",{},20]', f'["reading",{DEEP},20]']:
        assert device.ask(values) is False, values
    assert device.ask('["reading",2,21,{},[],3]') == 2
    # The same number once more: the one that came last has it.
    again = Wire(program, "/devices", '{"device":0}')
    assert again.admitted and again.ask('["reading",3,22]') == 3 and device.ask('["reading",4,99]') is False
    device.socket.close()
    while True:
        tick = sound(person.next('42["tick"')[2:])[1]
        if tick["messages"] == 3:
            break
    assert (tick["devices"], tick["mean"], tick["low"], tick["high"]) == (1, 22.0, 22.0, 22.0)


def test_people(program: Program) -> None:
    person, other = Wire(program, "/", ""), Wire(program, "/", "")
    assert person.ask('["say","a","before it has joined"]') is False
    for name, known in [("", "somebody"), (",null", "somebody"), (",{}", "somebody"), (f",{DEEP}", "somebody")]:
        assert person.ask(f'["join"{name}]')["name"] == known
    assert person.ask(json.dumps(["join", " a\n\0b " + "c" * 100_000]))["name"] == ("a \0b " + "c" * 100)[:24]
    assert other.ask('["join","Ada",1,2]')["name"] == "Ada"
    for values in ['["say"]', '["say","a"]', '["say",null,"text"]', '["say",{},"text"]', f'["say",{DEEP},"text"]']:
        assert person.ask(values) is False, values
    for values in ['["say","a",null]', '["say","a",{}]', '["say","a",5]', '["say","a"," \\n "]']:
        assert person.ask(values) is False, values
    assert person.ask(json.dumps(["say", "i" * 65, "text"])) is False
    assert person.ask(json.dumps(["say", "i" * 64, "<b> " + "t" * 100_000])) is True
    (said,) = other.ask('["join","Ada"]')["talk"]
    assert said["id"] == "i" * 64 and said["text"] == "<b> " + "t" * 496
    # Events that nobody hears.
    for packet in ['42["nothing",1]', '42/none,["say"]', '42/devices,["reading",1,20]', '42["tick",{}]']:
        stranger = Wire(program, "/", "")
        stranger.socket.send(packet)
    assert other.ask('["join","Ada"]')["people"] == 2
