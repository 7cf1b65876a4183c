"""The rows about Python: greenrt's package beside other libraries, on one interpreter.

Every row but the echo rows is a turn of `python/rows.py`; the echo rows are servers of `python/echo.py` under the load
generator of all echo rows. The limits are what the same work took elsewhere, measured once on CPython 3.11, as
ratios: a peer's figure of this run takes the place of the one it had then.
"""

from __future__ import annotations

from . import echo, websocket, wsgi
from .build import BENCH, Programs
from .process import run
from .row import MEMORY, OURS, OURS_PYTHON, Row, Target, ahead, memory_figures

PEERS = ("eventlet", "gevent", "asyncio", "uvloop")
GREENLET = "raw greenlet"
# A program that knows threads and sockets only, run by `python -m greenrt`.
PLAIN = "greenrt, plain program"
STREAMS = "asyncio streams"
PROTOCOL = "asyncio protocol"
UVLOOP = "uvloop protocol"
# The longest one program may take: a hundred thousand first touches of a peer's stacks cost seconds.
PATIENCE = 120.0
ROUNDS = 5


def timed(name: str, title: str, reach: float, peers: dict[str, float], note: str = "") -> Row:
    """A row of time for an operation. `peers` have what each took where greenrt was to take `reach`."""
    limits = {peer: float(f"{reach / took:.3g}") for peer, took in peers.items()}
    return Row(
        name,
        title,
        ("ns_per_op",),
        (OURS_PYTHON, *peers),
        tuple(Target("ns_per_op", limit, peer, subject=OURS_PYTHON) for peer, limit in limits.items()),
        "gevent",
        rounds=ROUNDS,
        note=note,
    )


def contended(name: str, title: str) -> Row:
    """As the row without the contender, but for the limits: the peers only have to be behind."""
    return Row(
        name,
        title,
        ("ns_per_op",),
        (OURS_PYTHON, *PEERS),
        ahead("ns_per_op", PEERS, OURS_PYTHON),
        "gevent",
        rounds=3,
        contended=True,
        note="One real OS thread runs Python code all the while, on the same core.",
    )


def sleepers(name: str, count: int) -> Row:
    return Row(
        name,
        f"Python: memory of a sleeping task, {count:,} tasks (bytes), and a `threading.local` beside them (ns)",
        (*MEMORY, "ns_per_local"),
        (OURS_PYTHON, *PEERS),
        (Target("rss_per_task", 9000, subject=OURS_PYTHON),),
        None,
        rounds=2,
        size=count,
        note="Each task runs a Python function that sleeps. asyncio's and uvloop's tasks have no stack of their own; greenrt's have "
        "8 MiB each, in address space. The last column is what it takes to make, use and drop one `threading.local`: before "
        "3.13 CPython visits every thread state when one is dropped, and a task of greenrt has a thread state, as a thread has.",
    )


def served(name: str, connections: int) -> Row:
    peers = ("eventlet", "gevent", STREAMS, PROTOCOL, UVLOOP)
    return Row(
        name,
        f"Python: echo 64 B, {connections:,} connections",
        ("req_per_s", "cpu_ns_per_req"),
        (OURS_PYTHON, PLAIN, OURS, *peers),
        (
            *ahead("req_per_s", peers, OURS_PYTHON, at_least=True),
            Target("cpu_ns_per_req", 1.5, OURS, subject=OURS_PYTHON),
            Target("cpu_ns_per_req", 1.5, OURS, subject=PLAIN),
        ),
        UVLOOP,
        rounds=3,
        size=connections,
        note="`greenrt (Python)` is a StreamServer, which uses the standard library's sockets; the plain program has `socket` and "
        "`threading` and is run by `python -m greenrt`; `greenrt` is the server in C of the echo rows. asyncio reads into a new "
        "object of 256 KiB each time, which the C library may map and unmap at each request.",
    )


ROWS = (
    timed(
        "py-switch",
        "Python: `sleep(0)` between 2 tasks (ns a switch)",
        110,
        {"eventlet": 3202, "gevent": 1459, "asyncio": 1872, "uvloop": 823, GREENLET: 264},
        note="Raw greenlets switch to each other by hand; they have no loop.",
    ),
    contended("py-switch-contended", "Python: `sleep(0)`, 2 tasks, one contending OS thread (ns a switch)"),
    timed(
        "py-spawn",
        "Python: spawn + wait (ns)",
        1500,
        {"eventlet": 19118, "gevent": 17989, "asyncio": 6097, "uvloop": 3012, GREENLET: 8288},
    ),
    contended("py-spawn-contended", "Python: spawn + wait, one contending OS thread (ns)"),
    timed(
        "py-pingpong",
        "Python: an item there and back over two queues, 2 tasks (ns)",
        1000,
        {"eventlet": 11975, "gevent": 4877, "asyncio": 8120, "uvloop": 4588},
    ),
    timed(
        "py-queue",
        "Python: put and get, a queue with room for 128, 1 task (ns)",
        150,
        {"eventlet": 953, "gevent": 459, "asyncio": 1206, "uvloop": 994},
    ),
    timed(
        "py-sem",
        "Python: semaphore that nobody else wants, acquire and release (ns)",
        80,
        {"eventlet": 178, "gevent": 164, "asyncio": 454, "uvloop": 453},
    ),
    sleepers("py-sleepers-10k", 10_000),
    sleepers("py-sleepers-100k", 100_000),
    served("py-echo-50", 50),
    served("py-echo-1000", 1000),
    *websocket.ROWS,
    *wsgi.ROWS,
)

# What python/rows.py calls the work of a row.
KINDS = {
    "py-switch": "sleep0",
    "py-spawn": "spawn",
    "py-pingpong": "pingpong",
    "py-queue": "queue",
    "py-sem": "semaphore",
}
# The library of a subject, and what python/echo.py calls its server.
SERVERS = {
    OURS_PYTHON: (OURS_PYTHON, "tasks"),
    PLAIN: (OURS_PYTHON, "threads"),
    "eventlet": ("eventlet", "eventlet"),
    "gevent": ("gevent", "gevent"),
    STREAMS: ("asyncio", "streams"),
    PROTOCOL: ("asyncio", "protocol"),
    UVLOOP: ("uvloop", "uvloop"),
}
LIBRARIES = {OURS_PYTHON: "greenrt", GREENLET: "greenlet"}


def missing(subject: str, programs: Programs, row: Row) -> str | None:
    """Why a subject cannot run here, or None."""
    if row in wsgi.ROWS:
        return wsgi.missing(row, subject, programs)
    if subject in websocket.KINDS and subject not in SERVERS:
        return websocket.missing(subject, programs)
    if subject == OURS:
        return programs.missing.get(OURS) or programs.missing.get(f"{OURS}: echo")
    name = SERVERS[subject][0] if subject in SERVERS else LIBRARIES.get(subject, subject)
    return programs.missing.get(name)


def turn(row: Row, subject: str, programs: Programs, quick: bool) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    if row in wsgi.ROWS:
        return wsgi.turn(row, subject, programs, 0.5 if quick else 1.2)
    if row in websocket.ROWS:
        return websocket.turn(row, subject, programs, 0.5 if quick else 1.2)
    if row.served:
        return served_turn(row, subject, programs, 0.5 if quick else 1.2)
    line = [str(programs.python), str(BENCH / "python" / "rows.py"), LIBRARIES.get(subject, subject)]
    if row.name.startswith("py-sleepers"):
        found = run([*line, "sleepers", "0", str(row.size)], programs.python_environment(), PATIENCE)
        return {**memory_figures(found), "ns_per_local": found["ns_per_local"]}
    line += [KINDS[row.name.removesuffix("-contended")], str(0.15 if quick else 0.5)]
    found = run([*line, "contended"] if row.contended else line, programs.python_environment(), PATIENCE)
    return {"ns_per_op": found["ns_per_op"]}


def served_turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    line = [programs.path("echo")]
    if subject != OURS:
        patched = ["-m", "greenrt"] if subject == PLAIN else []
        line = [str(programs.python), *patched, str(BENCH / "python" / "echo.py"), SERVERS[subject][1]]
    found = echo.run(programs.path("load"), line, programs.python_environment(), row.size, seconds)
    return {metric: found[metric] for metric in row.metrics}
