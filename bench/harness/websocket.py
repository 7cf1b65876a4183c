"""The rows about WebSockets: servers of python/websocket.py under the load generator of the echo rows, as a client."""

from __future__ import annotations

import time

from . import echo
from .build import BENCH, Programs
from .row import MEMORY, OURS_PYTHON, Row, Target, ahead, memory_figures

APPLICATION = "greenrt.wsgi"
UVLOOP = "websockets, uvloop"
ASYNCIO = "websockets, asyncio"
GEVENT = "gevent-websocket"
PEERS = (UVLOOP, ASYNCIO, GEVENT, "eventlet")

# What python/websocket.py calls the server of a subject, and the packages that it needs.
KINDS = {
    OURS_PYTHON: ("tasks", (OURS_PYTHON,)),
    APPLICATION: ("wsgi", (OURS_PYTHON,)),
    UVLOOP: ("uvloop", ("websockets", "uvloop")),
    ASYNCIO: ("asyncio", ("websockets",)),
    GEVENT: ("gevent", ("gevent", "geventwebsocket")),
    "eventlet": ("eventlet", ("eventlet",)),
}
# Those that have spoken already: modules are loaded and tables have grown before memory is counted.
EARLIER = 20
# So long the server may still be busy with what the last handshake began.
SETTLES = 0.5

ROWS = (
    Row(
        "py-ws-100",
        "Python: WebSocket echo 64 B, 100 connections",
        ("req_per_s", "cpu_ns_per_req"),
        (OURS_PYTHON, APPLICATION, *PEERS),
        (
            *ahead("req_per_s", PEERS, OURS_PYTHON, at_least=True),
            *ahead("req_per_s", PEERS, APPLICATION, at_least=True),
        ),
        UVLOOP,
        rounds=3,
        size=100,
        note="Binary messages, without compression. `greenrt (Python)` is a WebSocketServer, `greenrt.wsgi` a WebSocketApp on greenrt's "
        "WSGI server, which is what a program written for eventlet gets.",
    ),
    Row(
        "py-ws-memory",
        "Python: memory of an idle WebSocket, 10,000 of them (bytes)",
        MEMORY,
        (OURS_PYTHON, APPLICATION, *PEERS),
        (Target("bytes_per_task", 1.0, "eventlet", subject=OURS_PYTHON),),
        UVLOOP,
        rounds=2,
        size=10_000,
        note="Each of greenrt's, gevent's and eventlet's has a stack of its own, in which the handler waits for a message.",
    ),
)


def missing(subject: str, programs: Programs) -> str | None:
    """Why a subject cannot run here, or None."""
    return next(filter(None, (programs.missing.get(name) for name in KINDS[subject][1])), None)


def turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    line = [str(programs.python), str(BENCH / "python" / "websocket.py"), KINDS[subject][0]]
    load, extra = programs.path("load"), programs.python_environment()
    if row.name == "py-ws-memory":
        return idle(load, line, extra, row.size)
    found = echo.run(load, line, extra, row.size, seconds, words=("ws",))
    return {metric: found[metric] for metric in row.metrics}


def idle(load: str, line: list[str], extra: dict[str, str], connections: int) -> dict[str, float]:
    """What the server's memory grows by with each connection that has done nothing but the handshake."""
    server, port = echo.server_start(line, extra)
    clients = []
    try:
        for count in (EARLIER, connections):
            clients.append(echo.Load(load, port, count, 0.1, 0, server.pid, words=("ws",)))
            if count == EARLIER:
                clients[0].go()
                time.sleep(SETTLES)
                before = memory(server.pid)
        time.sleep(SETTLES)
        after = memory(server.pid)
    finally:
        for process in [*(client.process for client in clients), server]:
            echo.stop(process)
    return memory_figures(
        {name: (after[name] - before[name]) / connections for name in ("rss_per_task", "pte_per_task")}
    )


def memory(pid: int) -> dict[str, int]:
    """Bytes that are resident, and bytes of page tables."""
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return {
        "rss_per_task": int(lines["VmRSS"].split()[0]) * 1024,
        "pte_per_task": int(lines["VmPTE"].split()[0]) * 1024,
    }
