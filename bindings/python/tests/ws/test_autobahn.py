"""Every class of cases of the Autobahn test suite, in both roles, with the `websockets` library at the other end.

The numbers are those of the suite's classes: 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8,
7 close handling, 9 limits, 10 frames cut by the sender, 12 and 13 compression.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from compat.apart import apart
from conftest import once

from ws.autobahn_peer import BINARY, CLOSE, PING, PONG, ROLES, TEXT, Case, F, Peer, bench, play

needs = ["websockets"]
pytestmark = once

HELLO = F(TEXT, b"Hello, world!")
HELLO_BACK = (TEXT, b"Hello, world!")


@apart
def test_1_framing() -> None:
    sizes = (0, 125, 126, 127, 128, 65535, 65536)
    cases = [
        Case(f"1.{kind}: {size}", [F(kind, byte * size)], [(kind, byte * size)])
        for kind, byte in ((TEXT, b"*"), (BINARY, b"\xfe"))
        for size in sizes
    ]
    play(cases, chops=(0, 997))


@apart
def test_2_pings_and_pongs() -> None:
    binary = bytes([0, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0, 0xFF])
    ten = [b"payload-%d" % number for number in range(10)]
    cases = [
        Case("2.1", [F(PING)], [(PONG, b"")]),
        Case("2.2", [F(PING, b"Hello, world!")], [(PONG, b"Hello, world!")]),
        Case("2.3", [F(PING, binary)], [(PONG, binary)]),
        Case("2.4", [F(PING, b"\xfe" * 125)], [(PONG, b"\xfe" * 125)]),
        Case("2.5", [F(PING, b"\xfe" * 126)], [], 1002),
        Case("2.7", [F(PONG)], []),
        Case("2.8", [F(PONG, b"unsolicited")], []),
        Case("2.9", [F(PONG, b"unsolicited"), F(PING, b"ping")], [(PONG, b"ping")]),
        Case("2.10", [F(PING, data) for data in ten], [(PONG, data) for data in ten]),
    ]
    play(cases)


@apart
def test_3_reserved_bits() -> None:
    frames = [
        F(kind, b"\x03\xe8" if kind == CLOSE else b"x", rsv=rsv)
        for kind in (TEXT, BINARY, PING, PONG, CLOSE)
        for rsv in range(1, 8)
    ]
    play([Case(f"3: {one}", [HELLO, one, F(PING)], [HELLO_BACK], 1002) for one in frames])
    play(
        [
            Case(f"3: in a message, {rsv}", [F(TEXT, b"a", False), F(0, b"b", True, rsv)], [], 1002)
            for rsv in range(1, 8)
        ]
    )


@apart
def test_4_opcodes() -> None:
    cases = [
        Case(f"4: {opcode} with {data!r}", [*before, F(opcode, data), F(PING)], [HELLO_BACK] * len(before), 1002)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for data in (b"", b"x" * 20)
        for before in ([], [HELLO])
    ]
    play(cases)


@apart
def test_5_fragmentation() -> None:
    one, two = F(TEXT, b"fragment1", False), F(0, b"fragment2")
    both = (TEXT, b"fragment1fragment2")
    ping, pong = F(PING, b"ping"), (PONG, b"ping")
    five = [F(TEXT, b"fragment1", False), *(F(0, b"fragment%d" % number, number == 5) for number in range(2, 6))]
    whole = (TEXT, b"fragment1fragment2fragment3fragment4fragment5")
    cases = [
        Case("5.1", [F(PING, b"fragment1", False), two], [], 1002),
        Case("5.2", [F(PONG, b"fragment1", False), two], [], 1002),
        Case("5.3", [one, two], [both]),
        Case("5.6", [one, ping, two], [pong, both]),
        Case("5.9", [F(0, b"non-continuation"), HELLO], [], 1002),
        Case("5.9, after a message", [HELLO, F(0, b"non-continuation"), HELLO], [HELLO_BACK], 1002),
        Case("5.12", [F(0, b"non-continuation", False), HELLO], [], 1002),
        Case("5.15", [one, two, F(0, b"fragment3", False), F(TEXT, b"fragment4")], [both], 1002),
        Case("5.16", [F(0, b"fragment1", False), F(TEXT, b"fragment2", False), F(0, b"fragment3")] * 2, [], 1002),
        Case("5.18", [one, F(TEXT, b"fragment2")], [], 1002),
        Case("5.18, binary", [F(BINARY, b"fragment1", False), F(BINARY, b"fragment2")], [], 1002),
        Case("5.19", [*five[:2], ping, *five[2:4], ping, five[4]], [pong, pong, whole]),
        Case("5.20", [*five, HELLO], [whole, HELLO_BACK]),
        Case("nothing in each", [F(TEXT, b"", False), F(0, b"", False), F(0)], [(TEXT, b"")]),
        Case("nothing but the middle", [F(BINARY, b"", False), F(0, b"middle", False), F(0)], [(BINARY, b"middle")]),
    ]
    play(cases)


def edges() -> list[bytes]:
    """First and last code point of each length, those around the surrogates, those that are no characters, and some text."""
    points = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]
    points += [plane << 16 | low for plane in range(1, 17) for low in (0xFFFE, 0xFFFF)]
    return ["κόσμε".encode(), "Hello-µ@ßöäüàá-UTF-8!!".encode(), *(chr(point).encode() for point in points)]


def broken() -> list[bytes]:
    """What is no UTF-8."""
    k = "κόσμε".encode()
    return [
        *(k[:cut] + b"x" for cut in range(1, len(k), 2)),  # ends within a character
        *(bytes([byte]) for byte in (0x80, 0xBF, 0xC0, 0xC1, 0xF5, 0xF8, 0xFC, 0xFE, 0xFF)),
        *(b"\x80" * count for count in range(2, 8)),
        *(bytes([first]) + b" " for first in range(0xC0, 0x100)),  # a first byte, and none that goes on
        b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf",  # longer than need be
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
        b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
        b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf",  # beyond the last code point
        *(chr(point).encode("utf-8", "surrogatepass") for point in (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF)),
        b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf",
    ]  # fmt: skip


def octets(data: bytes) -> list[F]:
    """A message with a frame for each byte."""
    return [F(0 if at else TEXT, data[at : at + 1], at + 1 == len(data)) for at in range(len(data))]


@apart
def test_6_utf8() -> None:
    good = [Case(f"6: {data!r}", [F(TEXT, data)], [(TEXT, data)]) for data in edges()]
    good += [Case(f"6, a frame a byte: {data!r}", octets(data), [(TEXT, data)]) for data in edges()]
    play(good)
    bad = [Case(f"6: {data!r}", frames, [], 1007) for data in broken() for frames in ([F(TEXT, data)], octets(data))]
    bad += [Case(f"6: {data!r} within", [F(TEXT, b"ok " + data + b" ok")], [], 1007) for data in broken()]
    play(bad)


@apart
def test_6_what_is_wrong_is_noticed_before_its_message_ends() -> None:
    k = "κόσμε".encode()
    cases = [
        Case("6.3", [F(TEXT, k, False), F(0, b"\xf4\x90", False)], [], 1007),
        Case("6.4.1", [F(TEXT, k + b"\xf4", False), F(0, b"\x90", False)], [], 1007),
        Case("6.4.2", [F(TEXT, k, False), F(0, b"\xed\xa0", False)], [], 1007),
    ]
    play(cases)


@apart
def test_7_close() -> None:
    good = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    bad = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    code = struct.Struct(">H").pack
    bye = F(CLOSE, code(1000))
    cases = [
        Case("7.1.1", [HELLO, bye], [HELLO_BACK], 1000),
        Case("7.1.2", [bye, bye], [], 1000),
        Case("7.1.3", [bye, F(PING)], [], 1000),
        Case("7.1.4", [bye, HELLO], [], 1000),
        Case("7.1.5", [F(TEXT, b"fragment1", False), bye, F(0, b"fragment2")], [], 1000),
        Case("7.3.1", [F(CLOSE)], [], 1005),
        Case("7.3.2", [F(CLOSE, b"a")], [], 1002),
        Case("7.3.3", [F(CLOSE, code(1000))], [], 1000),
        Case("7.3.4", [F(CLOSE, code(1000) + b"Hello")], [], 1000),
        Case("7.3.5", [F(CLOSE, code(1000) + b"x" * 123)], [], 1000),
        Case("7.3.6", [F(CLOSE, code(1000) + b"x" * 124)], [], 1002),
        Case("7.5.1", [F(CLOSE, code(1000) + b"\xce\xba\xed\xa0\x80")], [], 1007),
        *(Case(f"7.7: {number}", [F(CLOSE, code(number))], [], number) for number in good),
        *(Case(f"7.9: {number}", [F(CLOSE, code(number))], [], 1002) for number in bad),
    ]
    play(cases)


def there_and_back(peer: Peer, kind: int, data: bytes, frames: list[F], chop: int = 0) -> None:
    peer.send(*frames, chop=chop)
    assert peer.next() == (kind, data)


@apart
def test_9_limits() -> None:
    m = 1 << 20
    for role in ROLES:
        with bench(role) as ours:
            for kind, byte in ((TEXT, b"*"), (BINARY, b"\xfe")):
                for size in (1 << 16, 1 << 18, m, 4 * m, 8 * m, 16 * m):  # 9.1, 9.2
                    with ours.peer() as peer:
                        there_and_back(peer, kind, byte * size, [F(kind, byte * size)])
                        peer.says_goodbye()
                whole = byte * (4 * m)
                for cut in (64, 1024, 1 << 16, m):  # 9.3, 9.4: in frames of so many bytes
                    frames = [
                        F(0 if at else kind, byte * cut, at + cut >= len(whole)) for at in range(0, len(whole), cut)
                    ]
                    with ours.peer() as peer:
                        there_and_back(peer, kind, whole, frames)
                        peer.says_goodbye()
                for chop in (64, 256, 1024):  # 9.5, 9.6: in pieces of so many bytes
                    with ours.peer() as peer:
                        there_and_back(peer, kind, byte * m, [F(kind, byte * m)], chop)
                        peer.says_goodbye()
                for size in (0, 16, 64, 256, 1024, 4096):  # 9.7, 9.8
                    with ours.peer() as peer:
                        for _ in range(300):
                            there_and_back(peer, kind, byte * size, [F(kind, byte * size)])
                        peer.says_goodbye()


@apart
def test_10_frames_cut_by_the_sender() -> None:
    data = b"*" * 65536
    frames = [F(0 if at else TEXT, data[at : at + 1300], at + 1300 >= len(data)) for at in range(0, len(data), 1300)]
    play([Case("10.1", frames, [(TEXT, data)])], chops=(0,))


def compressible(size: int) -> bytes:
    text = json.dumps(
        [{"id": number, "name": f"device {number % 7}", "ok": number % 3 == 0} for number in range(size // 30 + 1)]
    )
    return text[:size].encode()


@apart
def test_12_and_13_compression() -> None:
    from greenrt.websocket import Deflate

    sizes = (0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
    settings: list[dict[str, Any]] = [  # 13.1 to 13.7
        {},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
        {"server_max_window_bits": 15, "client_max_window_bits": 15},
        {
            "server_no_context_takeover": True,
            "client_no_context_takeover": True,
            "server_max_window_bits": 9,
            "client_max_window_bits": 9,
        },
        {"server_no_context_takeover": True, "server_max_window_bits": 15, "client_max_window_bits": 10},
    ]
    for role in ROLES:
        for wishes in settings:
            with (
                bench(role, Deflate(server_max_window_bits=15, client_max_window_bits=15)) as ours,
                ours.peer(factories(role, wishes)) as peer,
            ):
                assert peer.protocol.extensions, f"agreed on: {role} {wishes}"
                for size in sizes:
                    text, noise = compressible(size), bytes(byte * 7919 % 251 for byte in range(size))
                    for _ in range(5):
                        peer.protocol.send_text(text)
                        peer.flush()
                        assert peer.next() == (TEXT, text), (role, wishes, size)
                        # In frames of a quarter each, with a ping between.
                        peer.protocol.send_binary(noise[: size // 4], fin=False)
                        peer.protocol.send_ping(b"between")
                        peer.protocol.send_continuation(noise[size // 4 : size // 2], fin=False)
                        peer.protocol.send_continuation(noise[size // 2 :], fin=True)
                        peer.flush()
                        assert peer.next() == (PONG, b"between")
                        assert peer.next() == (BINARY, noise), (role, wishes, size)
                peer.protocol.send_close(1000)
                peer.flush()
                assert peer.closed_with() == 1000


def factories(role: str, wishes: dict[str, Any]) -> list[Any]:
    from websockets.extensions import permessage_deflate as library

    if role == "client":
        return [library.ClientPerMessageDeflateFactory(**wishes)]
    return [library.ServerPerMessageDeflateFactory(**wishes)]
