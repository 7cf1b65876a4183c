"""The row about Flask-SocketIO: one program on several servers, under a load generator that speaks its protocol."""

from __future__ import annotations

from . import echo
from .build import BENCH, Programs
from .row import OURS_PYTHON, Row, Target, ahead

THREADS = "OS threads (Werkzeug)"
PACKAGE = "flask_socketio"
# What python/events.py calls a subject, and the package that it needs.
KINDS = {
    OURS_PYTHON: ("greenrt", OURS_PYTHON),
    "eventlet": ("eventlet", "eventlet"),
    "gevent": ("gevent", "gevent"),
    THREADS: ("threading", PACKAGE),
}

ROWS = (
    Row(
        "py-echo-flask-socketio",
        "Python: Flask-SocketIO, an event of 64 B there and back, 100 clients",
        ("req_per_s", "cpu_ns_per_req"),
        tuple(KINDS),
        (
            Target("req_per_s", 2.0, "eventlet", True, OURS_PYTHON),
            Target("req_per_s", 2.0, "gevent", True, OURS_PYTHON),
            *ahead("req_per_s", (THREADS,), OURS_PYTHON, at_least=True),
        ),
        "gevent",
        rounds=3,
        size=100,
        note="greenrt runs the program for eventlet, by its drop-in. 85 % of greenrt's time is in Flask-SocketIO's and Flask's own Python, "
        "which alone takes about half of gevent's time: see docs/decisions/0150-the-floor-of-an-event.md.",
    ),
)


def missing(subject: str, programs: Programs) -> str | None:
    """Why a subject cannot run here, or None."""
    return next(filter(None, (programs.missing.get(name) for name in (PACKAGE, "events", KINDS[subject][1]))), None)


def turn(row: Row, subject: str, programs: Programs, seconds: float) -> dict[str, float]:
    """One turn of one subject; raises process.Failed."""
    line = [str(programs.python), str(BENCH / "python" / "events.py"), KINDS[subject][0]]
    found = echo.run(programs.path("events"), line, programs.python_environment(), row.size, seconds)
    return {metric: found[metric] for metric in row.metrics}
