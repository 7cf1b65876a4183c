"""Hundreds of chat clients in one process: `chat_clients.py PORT PID CLIENTS SECONDS`, progress as JSON on stdout.

Each message must reach every other client, whole, and in the order its sender sent it. A few messages are under way at
a time; when one has reached everybody, the next client speaks. One more client takes a name and then never reads: it
must not stall the others, and what it misses is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
import time

from figures import ANSWER_WITHIN, Latencies, Server, raise_descriptor_limit, report_until, say_final

UNDER_WAY = 4
DIAL_AT_ONCE = 50


class Client(asyncio.Protocol):
    def __init__(self, room: Room, number: int):
        self.room = room
        self.name = f"client{number}"
        self.partial = b""
        self.said = 0
        self.heard: dict[str, int] = {}
        self.admitted = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(f"{self.name}\n".encode())

    def data_received(self, data: bytes) -> None:
        lines = (self.partial + data).split(b"\n")
        self.partial = lines.pop()
        for line in lines:
            if line.startswith(b"* "):
                if not self.admitted.done():
                    self.admitted.set_result(None)
            else:
                self.room.delivered(self, line.decode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.room.over:
            self.room.complain(f"{self.name} was cut off ({error})")
        if not self.admitted.done():
            self.admitted.set_exception(ConnectionError("cut off before it was admitted"))

    def speak(self) -> tuple[str, int]:
        self.said += 1
        self.transport.write(f"{self.said} the quick brown fox jumps over the lazy dog\n".encode())
        return self.name, self.said


class Room:
    """All clients, and what is under way between them."""

    def __init__(self, server: Server):
        self.server = server
        self.clients: list[Client] = []
        self.next = 0
        self.left: dict[tuple[str, int], int] = {}
        self.sent_at: dict[tuple[str, int], float] = {}
        self.latencies = Latencies()
        self.messages = 0
        self.wrong = 0
        self.complaints: list[str] = []
        self.over = False
        self.speaking = False
        self.idle = asyncio.Event()

    def complain(self, what: str) -> None:
        self.wrong += 1
        if len(self.complaints) < 5:
            self.complaints.append(what)

    def delivered(self, listener: Client, line: str) -> None:
        name, colon, text = line.partition(": ")
        number = text.split(" ", 1)[0]
        if not colon or not number.isdigit() or not text.endswith(" the lazy dog"):
            self.complain(f"{listener.name} heard a damaged line: {line[:60]!r}")
            return
        key = (name, int(number))
        if key[1] != listener.heard.get(name, 0) + 1 or key not in self.left:
            self.complain(f"{listener.name} heard {name}'s message {number} out of order")
            return
        listener.heard[name] = key[1]
        self.latencies.add(time.monotonic() - self.sent_at[key])
        self.left[key] -= 1
        if self.left[key] == 0:
            del self.left[key], self.sent_at[key]
            self.messages += 1
            if self.speaking:
                self.speak()
            elif not self.left:
                self.idle.set()

    def speak(self) -> None:
        speaker = self.clients[self.next % len(self.clients)]
        self.next += 1
        key = speaker.speak()
        self.sent_at[key] = time.monotonic()
        self.left[key] = len(self.clients) - 1

    def lost(self) -> int:
        """Deliveries that are overdue or were wrong."""
        now = time.monotonic()
        late = sum(count for key, count in self.left.items() if now - self.sent_at[key] > ANSWER_WITHIN)
        return late + self.wrong

    def progress(self) -> dict[str, object]:
        self.server.watch()
        return {"connections": len(self.clients), "messages": self.latencies.count, "lost": self.lost()}


def deaf_client(port: int) -> socket.socket:
    """A client that never reads, with a small receive buffer so that the server soon feels it."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    peer.sendall(b"deaf\n")
    return peer


async def main() -> None:
    port, pid, count, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    room = Room(Server(pid))
    done = asyncio.Event()
    reporter = loop.create_task(report_until(done, room.progress))
    end = time.monotonic() + seconds

    for first in range(0, count, DIAL_AT_ONCE):
        group = []
        for number in range(first, min(first + DIAL_AT_ONCE, count)):
            _, client = await loop.create_connection(functools.partial(Client, room, number), "127.0.0.1", port)
            group.append(client)
        await asyncio.wait_for(asyncio.gather(*(client.admitted for client in group)), ANSWER_WITHIN)
        room.clients += group
    deaf = await loop.run_in_executor(None, deaf_client, port)
    memory_each = room.server.memory_each(count)

    room.speaking = True
    for _ in range(UNDER_WAY):
        room.speak()
    await asyncio.sleep(max(1.0, end - time.monotonic()))
    room.speaking = False
    if room.left:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(room.idle.wait(), ANSWER_WITHIN)
    lost = sum(room.left.values()) + room.wrong
    room.over = True
    done.set()
    await reporter
    for client in room.clients:
        client.transport.close()
    deaf.close()
    facts = {"connections": count, "lost": lost, "memory_each": memory_each}
    say_final(room.server, room.latencies, complaints=room.complaints, **facts)


if __name__ == "__main__":
    asyncio.run(main())
