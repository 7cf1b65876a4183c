"""The rows about WSGI: servers of python/wsgi.py under the load generator of the HTTP row."""

from __future__ import annotations

from . import echo
from .build import BENCH, Programs
from .row import OURS_PYTHON, Row, Target, ahead

GUNICORN = "gunicorn, gevent"
FASTEST = ("bjoern", "granian")
GREEN = ("eventlet", "gevent")
PEERS = (*FASTEST, "waitress", GUNICORN, *GREEN)

# What python/wsgi.py calls the server of a subject, and the packages that it needs.
KINDS = {
    OURS_PYTHON: ("tasks", (OURS_PYTHON,)),
    "bjoern": ("bjoern", ("bjoern",)),
    "granian": ("granian", ("granian",)),
    "waitress": ("waitress", ("waitress",)),
    # Its worker for gevent imports packaging, which gunicorn does not ask for.
    GUNICORN: ("gunicorn", ("gunicorn", "gevent", "packaging")),
    "eventlet": ("eventlet", ("eventlet",)),
    "gevent": ("gevent", ("gevent",)),
}
NOTE = (
    "One process, one core, keep-alive, no access log. Processor time and system calls are those of the process that was started: "
    "granian's and gunicorn's work is done by a child of it. System calls are counted for greenrt only. gevent's sockets have "
    "TCP_NODELAY: as it comes, an answer waits some 40 ms for an acknowledgement between head and body (1,100 requests a second)."
)


def served(name: str, connections: int) -> Row:
    return Row(
        name,
        f"Python: WSGI hello, {connections} connections",
        ("req_per_s", "cpu_ns_per_req", "calls_per_req"),
        (OURS_PYTHON, *PEERS),
        (
            *ahead("req_per_s", FASTEST, OURS_PYTHON, at_least=True),
            *(Target("req_per_s", 8.0, peer, at_least=True, subject=OURS_PYTHON) for peer in GREEN),
            Target("calls_per_req", 2.1, subject=OURS_PYTHON),
        ),
        "bjoern",
        rounds=3,
        size=connections,
        note=NOTE,
    )


ROWS = (
    served("py-wsgi-50", 50),
    served("py-wsgi-500", 500),
    Row(
        "py-wsgi-flask-50",
        "Python: Flask hello, 50 connections",
        ("req_per_s", "cpu_ns_per_req"),
        (OURS_PYTHON, "bjoern", "granian", *GREEN),
        ahead("req_per_s", ("granian", *GREEN), OURS_PYTHON, at_least=True),
        "granian",
        rounds=3,
        size=50,
        note="Nearly all of the time is Flask's own. gevent's sockets have TCP_NODELAY, as in the rows above.",
    ),
)


def missing(row: Row, subject: str, programs: Programs) -> str | None:
    """Why a subject cannot run here, or None."""
    needed = (*KINDS[subject][1], *(("flask",) if "flask" in row.name else ()))
    return next(filter(None, (programs.missing.get(name) for name in needed)), None)


def turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    application = "flask" if "flask" in row.name else "hello"
    line = [str(programs.python), str(BENCH / "python" / "wsgi.py"), KINDS[subject][0], application]
    load, extra = programs.path("load"), programs.python_environment()
    found = echo.run(load, line, extra, row.size, seconds, words=("http",))
    tool = echo.counting_tool()
    if "calls_per_req" in row.metrics and subject == OURS_PYTHON and tool is not None:
        found.update(echo.count_calls(tool, load, line, extra, row.size, seconds, ("http",)))
    return {metric: found[metric] for metric in row.metrics if metric in found}
