"""What is measured: the rows, the subjects of each, and the figures greenrt has to reach.

A row runs its subjects in turn, A B C A B C, so that a machine that slows down for a while slows all of them. Every
figure that has a target is a ratio between two programs in the same turn; the report takes the median of these ratios.
"""

from __future__ import annotations

from . import echo, events, python, waits
from .build import RUST_OUT, Programs
from .process import run
from .row import BASE, MEMORY, OURS, RAW, STATIC, Row, Target, ahead, memory_figures

TASK_PEERS = ("state-threads", "boost.fiber", "may", "tokio", "Go")
ECHO_PEERS = ("tokio", "may", "Go", "state-threads")
# The longest one program may take. A first touch of a page costs microseconds, and a million tasks touch a million.
PATIENCE = 180.0


def task_row(name: str, title: str, limit: float) -> Row:
    return Row(
        name,
        title,
        ("ns_per_op",),
        (BASE, OURS, STATIC, *TASK_PEERS),
        (Target("ns_per_op", limit, BASE), *ahead("ns_per_op", TASK_PEERS)),
        BASE,
        note="`greenrt` is linked with the shared library, `greenrt (static)` with the archive.",
    )


def memory_row(name: str, count: int) -> Row:
    return Row(
        name,
        f"memory of a parked task, {count:,} tasks that each used 1 KiB of their frames (bytes)",
        MEMORY,
        (OURS, "state-threads", "boost.fiber", "may", "Go", "tokio"),
        (Target("bytes_per_task", 4300),),
        None,
        rounds=3,
        size=count,
        note="VmRSS + VmPTE. greenrt, boost.fiber and may guard each stack; state-threads does not; a Go stack is "
        "copied when it grows; tokio's tasks have no stack of their own.",
    )


def echo_row(name: str, connections: int, throughput: float) -> Row:
    return Row(
        name,
        f"echo 64 B, {connections:,} connections",
        ("cpu_ns_per_req", "req_per_s", "calls_per_req"),
        (RAW, OURS, *ECHO_PEERS),
        (
            Target("calls_per_req", 2.05, subject=RAW),
            Target("calls_per_req", 2.1),
            Target("cpu_ns_per_req", 1.05, RAW),
            Target("req_per_s", throughput, RAW, at_least=True),
            *ahead("cpu_ns_per_req", ECHO_PEERS),
        ),
        RAW,
        rounds=5,
        size=connections,
        note="The server has one core, the load generator the other. CPU time is the server's alone, all its threads.",
    )


def http_row(name: str, connections: int) -> Row:
    return Row(
        name,
        f"HTTP hello, {connections:,} connections",
        ("cpu_ns_per_req", "req_per_s", "calls_per_req"),
        (RAW, OURS),
        (
            Target("calls_per_req", 2.05, subject=RAW),
            Target("calls_per_req", 2.1),
            Target("cpu_ns_per_req", 1.2, RAW),
            Target("req_per_s", 0.85, RAW, at_least=True),
        ),
        RAW,
        rounds=5,
        size=connections,
        note="A request of 78 bytes, an answer of 13 in 144. The raw loop does not look at what came and says the same each time; "
        "greenrt reads the head, and writes one with a date.",
    )


# The last word of the load generator of a row.
def words(row: Row) -> tuple[str, ...]:
    return ("http",) if row.name.startswith("http-") else ()


# What a server of the workers rows computes for each request, in rounds of some 1.5 nanoseconds: so much that the load
# generator's own work hardly counts.
ROUNDS_OF_WORK = 100_000


def workers_row(name: str, title: str, targets: tuple[Target, ...], work: int) -> Row:
    servers = tuple(f"{library}, {workers}" for library in (OURS, "tokio", "Go") for workers in (1, 2))
    return Row(
        name,
        f"{title}, 50 connections, on 1 worker and on 2",
        ("req_per_s", "cpu_ns_per_req", "load_ns_per_req"),
        servers,
        targets,
        servers[0],
        rounds=3,
        note="The server and the load generator share both cores. Where a request takes s in the server and l in the load "
        "generator (the columns cpu and load), one worker can answer 1 / max(s, l) of them, two workers 2 / (s + l): as "
        "bare echo, where s is about l, both cores are busy with one worker already, and a second has nothing to gain.",
        size=50,
        work=work,
        both_cores=True,
    )


ROWS = (
    Row(
        "bare",
        "bare switch (ns)",
        ("ns_per_op",),
        (BASE, "corosensei", "boost.context"),
        (),
        BASE,
        note="corosensei's switch is inlined at its one call site.",
    ),
    task_row("yield2", "yield, 2 tasks (ns)", 2.2),
    task_row("yield1000", "yield, 1,000 tasks (ns)", 4.0),
    task_row("spawn", "spawn + join (ns)", 7.0),
    memory_row("memory-100k", 100_000),
    memory_row("memory-1m", 1_000_000),
    echo_row("echo-50", 50, 0.97),
    echo_row("echo-1000", 1000, 1.0),
    http_row("http-50", 50),
    *waits.ROWS,
    workers_row("workers-echo", "echo 64 B", (Target("cpu_ns_per_req", 1.25, f"{OURS}, 1", subject=f"{OURS}, 2"),), 0),
    workers_row(
        "workers-busy",
        "echo 64 B with some 150 us of work",
        (
            Target("req_per_s", 1.5, f"{OURS}, 1", at_least=True, subject=f"{OURS}, 2"),
            # Next to the work the runtimes hardly differ.
            *(Target("req_per_s", 0.97, peer, at_least=True, subject=f"{OURS}, 2") for peer in ("tokio, 2", "Go, 2")),
        ),
        ROUNDS_OF_WORK,
    ),
    *python.ROWS,
    *events.ROWS,
)

# Operations of one turn, chosen so that a turn takes about half a second on the machine of RESULTS.md.
OPERATIONS = {
    "bare": {"context": 80_000_000, "corosensei": 200_000_000, "boost.context": 80_000_000},
    "yield2": {BASE: 80_000_000, OURS: 40_000_000, STATIC: 40_000_000},
    "yield1000": {BASE: 80_000_000, OURS: 30_000_000, STATIC: 30_000_000},
    "spawn": {BASE: 80_000_000, OURS: 15_000_000, STATIC: 15_000_000, "may": 600_000},
}
USUAL = {"yield2": 6_000_000, "yield1000": 8_000_000, "spawn": 2_000_000}


# Our programs, by the row that uses them; every other row is one of tasks'.
OUR_PROGRAMS = {
    "chan": ("chan-round", "chan-item", "chan-shared", "chan-cross", "select8", "select8-wait"),
    "locks": ("mutex", "sem"),
    "timers": ("sleepers", "timer-cancel"),
    "offload": ("offload", "pread"),
    "echo": ("echo",),
    "http": ("http",),
}
PROGRAM_OF = {row: program for program, rows in OUR_PROGRAMS.items() for row in rows}
KINDS_OF_RING = {waits.RING: "calls", waits.INLINED: "inlined"}


def library(subject: str) -> str:
    """The library of a subject of a workers row, else the subject itself."""
    return subject.rpartition(", ")[0] if subject.endswith((", 1", ", 2")) else subject


def row_word(row: Row) -> str:
    """What a program calls the row."""
    if row.name.startswith("http-"):
        return "http"
    return "echo" if row.name.startswith(("echo-", "workers-")) else row.name


def missing(subject: str, programs: Programs, row: Row) -> str | None:
    """Why a subject cannot run here, or None."""
    if row.served and "load" in programs.missing:
        return programs.missing["load"]
    if row in events.ROWS:
        return events.missing(subject, programs)
    if row in python.ROWS:
        return python.missing(subject, programs, row)
    name = library(subject)
    if name == waits.BY_POOL:
        name = OURS
    if name in (OURS, STATIC):
        program = PROGRAM_OF.get(row_word(row), "tasks")
        return programs.missing.get(name) or programs.missing.get(f"{name}: {program}")
    return programs.missing.get(name)


def command(subject: str, row: str, programs: Programs) -> tuple[list[str], dict[str, str]]:
    """The program of a subject and its first arguments, with the variables it needs."""
    if subject == BASE or subject == "corosensei":
        return [str(RUST_OUT / "bare"), subject], {}
    if subject == "boost.context":
        return [programs.path("boost"), "bare"], {}
    if subject == waits.BY_POOL:
        return [programs.path("offload"), "pread-pool"], {}
    if subject in KINDS_OF_RING:
        return [str(RUST_OUT / "ring"), KINDS_OF_RING[subject]], {}
    if subject in (OURS, STATIC):
        program = PROGRAM_OF.get(row, "tasks") + ("-static" if subject == STATIC else "")
        return [programs.path(program), *([] if row in ("echo", "http") else [row])], {}
    if subject == RAW:
        return [programs.path("raw-echo"), *(["http"] if row == "http" else [])], {}
    if subject in ("tokio", "may"):
        return [str(RUST_OUT / subject), row], {}
    if subject == waits.CROSSBEAM:
        return [str(RUST_OUT / "crossbeam"), row], {}
    program = {"state-threads": "st", "boost.fiber": "boost", "Go": "go-peer", waits.THREADS: "threads"}[subject]
    return [programs.path(program), row], {"GOMAXPROCS": "2" if row == "chan-cross" else "1"}


def turn(row: Row, subject: str, programs: Programs, quick: bool) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    if row.name.startswith(("echo-", "http-")):
        line, extra = command(subject, row_word(row), programs)
        return echo.run(programs.path("load"), line, extra, row.size, 0.5 if quick else 1.6, words=words(row))
    if row.name.startswith("workers-"):
        return workers_turn(row, subject, programs, 0.5 if quick else 1.5)
    if row in events.ROWS:
        return events.turn(row, subject, programs, 0.5 if quick else 1.5)
    if row in python.ROWS:
        return python.turn(row, subject, programs, quick)
    if row.name.startswith("memory-"):
        line, extra = command(subject, "memory", programs)
        found = run([*line, str(row.size)], extra, PATIENCE)
        return memory_figures(found)
    line, extra = command(subject, row.name, programs)
    if row in waits.ROWS:
        found = run([*line, *waits.arguments(row, subject, quick)], extra, PATIENCE, row.both_cores)
        if subject != BASE:
            waits.check(row, waits.operations(row, subject, quick), found)
        return {metric: found[metric] for metric in row.metrics}
    count = OPERATIONS[row.name].get(subject) or USUAL[row.name]
    found = run([*line, str(count // 8 if quick else count)], extra, PATIENCE)
    return {"ns_per_op": found["ns_per_op"]}


def workers_turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    """The subject's name ends in the number of workers."""
    workers = subject[-1]
    line, extra = command(library(subject), "echo", programs)
    extra = {**extra, "GOMAXPROCS": workers}
    return echo.run(programs.path("load"), [*line, workers, str(row.work)], extra, row.size, seconds, both_cores=True)
