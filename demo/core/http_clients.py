"""Hundreds of HTTP clients in one process: `http_clients.py PORT PID CLIENTS SECONDS`, progress as JSON on stdout.

Each client keeps its connection and asks again as soon as it has its answer. An answer counts when its status is 200
and its body contains the path that was asked for; everything else, a closed connection too, is lost.
"""

from __future__ import annotations

import asyncio
import sys
import time

from figures import ANSWER_WITHIN, Latencies, Server, raise_descriptor_limit, report_until, say_final

DIAL_AT_ONCE = 50


class Crowd:
    def __init__(self, server: Server):
        self.server = server
        self.connections = 0
        self.lost = 0
        self.latencies = Latencies()
        self.complaints: list[str] = []

    def complain(self, what: str) -> None:
        self.lost += 1
        if len(self.complaints) < 5:
            self.complaints.append(what)

    def progress(self) -> dict[str, object]:
        self.server.watch()
        return {"connections": self.connections, "messages": self.latencies.count, "lost": self.lost}


async def one_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ", 2)[1])
    length = 0
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return status, await reader.readexactly(length)


async def one_client(crowd: Crowd, port: int, number: int, gate: asyncio.Semaphore, end: float) -> None:
    path = "nothing yet"
    try:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        crowd.connections += 1
        asked = 0
        while asked == 0 or time.monotonic() < end:
            asked += 1
            path = f"/client{number}/{asked}"
            start = time.monotonic()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: demo\r\n\r\n".encode())
            status, body = await asyncio.wait_for(one_answer(reader), ANSWER_WITHIN)
            if status != 200 or path.encode() not in body:
                crowd.complain(f"{path} was answered with {status} {body[:40]!r}")
            else:
                crowd.latencies.add(time.monotonic() - start)
        writer.close()
    except (OSError, EOFError, ValueError, IndexError, asyncio.TimeoutError, asyncio.LimitOverrunError) as error:
        crowd.complain(f"client {number}, asking for {path}: {type(error).__name__} {error}")


async def main() -> None:
    port, pid, count, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    crowd = Crowd(Server(pid))
    done = asyncio.Event()
    reporter = loop.create_task(report_until(done, crowd.progress))
    gate = asyncio.Semaphore(DIAL_AT_ONCE)
    end = time.monotonic() + seconds
    clients = [loop.create_task(one_client(crowd, port, number, gate, end)) for number in range(count)]
    await asyncio.sleep(seconds * 0.8)
    memory_each = crowd.server.memory_each(crowd.connections)
    await asyncio.gather(*clients)
    done.set()
    await reporter
    facts = {"connections": crowd.connections, "lost": crowd.lost, "memory_each": memory_each}
    say_final(crowd.server, crowd.latencies, complaints=crowd.complaints, **facts)


if __name__ == "__main__":
    asyncio.run(main())
