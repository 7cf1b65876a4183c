"""What is measured: the rows, the subjects of each, and the figures greenrt has to reach.

A row runs its subjects in turn, A B C A B C, so that a machine that slows down for a while slows all of them. Every
figure that has a target is a ratio between two programs in the same turn; the report takes the median of these ratios.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import echo
from .build import BENCH, RUST_OUT, Programs
from .process import run

BASE = "context"
RAW = "raw epoll"
OURS = "greenrt"
STATIC = "greenrt (static)"
OURS_PYTHON = "greenrt (Python)"
MEMORY = ("bytes_per_task", "rss_per_task", "pte_per_task")
TASK_PEERS = ("state-threads", "boost.fiber", "may", "tokio", "Go")
ECHO_PEERS = ("tokio", "may", "Go", "state-threads")
PYTHON_PEERS = ("eventlet", "gevent", "asyncio", "uvloop")
# The longest one program may take. A first touch of a page costs microseconds, and a million tasks touch a million.
PATIENCE = 180.0


@dataclass
class Target:
    """`subject`'s `metric`, over that of `over` if given, must be at most `limit`, or at least."""

    metric: str
    limit: float
    over: str | None = None
    at_least: bool = False
    subject: str = OURS

    def text(self) -> str:
        sign = "≥" if self.at_least else "≤"
        unit = f" × {self.over}" if self.over else ""
        return f"{self.metric.replace('_', ' ')} {sign} {self.limit:g}{unit}"


@dataclass
class Row:
    name: str
    title: str
    metrics: tuple[str, ...]
    subjects: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    baseline: str | None = None
    rounds: int = 7
    note: str = ""
    size: int = 0
    contended: bool = field(default=False)


def ahead(metric: str, peers: tuple[str, ...], subject: str = OURS, at_least: bool = False) -> tuple[Target, ...]:
    """The peers have to be behind: the ratio to each is under (or over) 1."""
    return tuple(Target(metric, 1.0, peer, at_least, subject) for peer in peers)


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
        rounds=9,
        size=connections,
        note="The server has one core, the load generator the other. CPU time is the server's alone, all its threads.",
    )


def python_row(name: str, title: str, targets: tuple[Target, ...], contended: bool = False) -> Row:
    note = "One real OS thread runs Python code all the while, on the same core." if contended else ""
    return Row(
        name,
        title,
        ("ns_per_op",),
        (OURS_PYTHON, *PYTHON_PEERS),
        targets,
        "gevent",
        rounds=5,
        contended=contended,
        note=note,
    )


def python_target(limit: float, over: str) -> Target:
    """ "N times faster" as a ratio of costs."""
    return Target("ns_per_op", round(1 / limit, 4), over, subject=OURS_PYTHON)


OTHERS = ahead("ns_per_op", ("asyncio", "uvloop"), OURS_PYTHON)
SWITCH = (python_target(10, "gevent"), python_target(20, "eventlet"), *OTHERS)
SPAWN = (python_target(8, "gevent"), python_target(8, "eventlet"), *OTHERS)
BEHIND = ahead("ns_per_op", PYTHON_PEERS, OURS_PYTHON)

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
    python_row("py-switch", "Python: `sleep(0)` between 2 tasks (ns a switch)", SWITCH),
    python_row(
        "py-switch-contended", "Python: `sleep(0)`, 2 tasks, one contending OS thread (ns a switch)", BEHIND, True
    ),
    python_row("py-spawn", "Python: spawn + wait (ns)", SPAWN),
    python_row("py-spawn-contended", "Python: spawn + wait, one contending OS thread (ns)", BEHIND, True),
    Row(
        "py-sleepers",
        "Python: memory of a sleeping task, 10,000 tasks (bytes)",
        MEMORY,
        (OURS_PYTHON, *PYTHON_PEERS),
        (Target("rss_per_task", 9000, subject=OURS_PYTHON),),
        None,
        rounds=3,
        note="asyncio's and uvloop's tasks have no stack of their own.",
    ),
)

# Operations of one turn, chosen so that a turn takes about half a second on the machine of RESULTS.md.
OPERATIONS = {
    "bare": {"context": 80_000_000, "corosensei": 200_000_000, "boost.context": 80_000_000},
    "yield2": {BASE: 80_000_000, OURS: 40_000_000, STATIC: 40_000_000},
    "yield1000": {BASE: 80_000_000, OURS: 30_000_000, STATIC: 30_000_000},
    "spawn": {BASE: 80_000_000, OURS: 15_000_000, STATIC: 15_000_000, "may": 600_000},
}
USUAL = {"yield2": 6_000_000, "yield1000": 8_000_000, "spawn": 2_000_000}


def missing(subject: str, programs: Programs) -> str | None:
    """Why a subject cannot run here, or None."""
    return programs.missing.get(subject)


def command(subject: str, row: str, programs: Programs) -> tuple[list[str], dict[str, str]]:
    """The program of a subject and its first argument, with the variables it needs."""
    if subject == BASE or subject == "corosensei":
        return [str(RUST_OUT / "bare"), subject], {}
    if subject == "boost.context":
        return [programs.path("boost"), "bare"], {}
    echoes = row == "echo"
    if subject == OURS:
        return ([programs.path("echo")] if echoes else [programs.path("tasks"), row]), {}
    if subject == STATIC:
        return ([programs.path("echo-static")] if echoes else [programs.path("tasks-static"), row]), {}
    if subject == RAW:
        return [programs.path("raw-echo")], {}
    if subject in ("tokio", "may"):
        return [str(RUST_OUT / subject), row], {}
    program = {"state-threads": "st", "boost.fiber": "boost", "Go": "go-peer"}[subject]
    return [programs.path(program), row], {"GOMAXPROCS": "1"}


def turn(row: Row, subject: str, programs: Programs, quick: bool) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    if row.name.startswith("echo-"):
        line, extra = command(subject, "echo", programs)
        return echo.run(programs.path("load"), line, extra, row.size, 0.5 if quick else 2.0)
    if row.name.startswith("py-"):
        return python_turn(row, subject, programs, 0.15 if quick else 0.6)
    if row.name.startswith("memory-"):
        line, extra = command(subject, "memory", programs)
        found = run([*line, str(row.size)], extra, PATIENCE)
        return memory_figures(found)
    line, extra = command(subject, row.name, programs)
    count = OPERATIONS[row.name].get(subject) or USUAL[row.name]
    found = run([*line, str(count // 8 if quick else count)], extra, PATIENCE)
    return {"ns_per_op": found["ns_per_op"]}


def python_turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    kind = {"py-switch": "sleep0", "py-spawn": "spawn", "py-sleepers": "sleepers"}[row.name.removesuffix("-contended")]
    library = "greenrt" if subject == OURS_PYTHON else subject
    line = [str(programs.python), str(BENCH / "python" / "rows.py"), library, kind, str(seconds)]
    found = run([*line, "contended"] if row.contended else line, programs.python_environment(), PATIENCE)
    if kind == "sleepers":
        return memory_figures(found)
    return {"ns_per_op": found["ns_per_op"]}


def memory_figures(found: dict[str, float]) -> dict[str, float]:
    rss, pte = found["rss_per_task"], found["pte_per_task"]
    return {"bytes_per_task": rss + pte, "rss_per_task": rss, "pte_per_task": pte}
