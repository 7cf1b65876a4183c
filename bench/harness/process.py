"""Starts measured programs on one core and reads the "name value" lines they print."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable

SERVER_CORE = 1
CLIENT_CORE = 0
BOTH_CORES = (CLIENT_CORE, SERVER_CORE)
NICENESS = -20


class Failed(Exception):
    """A measured program that did not do its work; the text says why."""


def core(wanted: int) -> int:
    """The wanted core, or the last one of a smaller machine."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[min(wanted, len(allowed) - 1)]


def settle(*wanted: int) -> Callable[[], None]:
    """What a child does before it becomes the measured program: its cores, and ahead of other work where allowed."""
    chosen = {core(one) for one in wanted}

    def in_child() -> None:
        os.sched_setaffinity(0, chosen)
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        # Where Linux groups processes by session, niceness counts inside a group only: be a group, and set its own.
        os.setsid()
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(NICENESS))

    return in_child


def environment(extra: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **extra}


def values(text: str) -> dict[str, float]:
    """The numbers of lines of the form "name value"; other lines are not ours."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2:
            with contextlib.suppress(ValueError):
                found[words[0]] = float(words[1])
    return found


def last_words(text: str) -> str:
    """What a program's error output says, in one cell: a Python traceback's last line, else the first line that
    tells of an error, with the line after it when it only says where."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    told = [line for line in lines if line.startswith("failed after")]
    if told:
        return told[0]
    if lines[0].startswith("Traceback"):
        return lines[-1][:160]
    for index, line in enumerate(lines):
        if any(word in line.lower() for word in ("error", "fail", "panic", "assert")):
            both = line if not line.endswith(":") else " ".join(lines[index : index + 2])
            return both.replace("|", "/")[:160]
    return lines[-1].replace("|", "/")[:160]


def run(command: list[str], extra: dict[str, str], timeout: float, both_cores: bool = False) -> dict[str, float]:
    """Runs one measured program to its end, on the server's core, or on both."""
    try:
        done = subprocess.run(
            command,
            env=environment(extra),
            preexec_fn=settle(*BOTH_CORES) if both_cores else settle(SERVER_CORE),
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {timeout:.0f} s") from None
    except OSError as error:
        raise Failed(str(error)) from None
    if done.returncode != 0:
        raise Failed(f"exit status {done.returncode}: {last_words(done.stderr)}")
    found = values(done.stdout)
    if not found:
        raise Failed("printed no figures")
    return found
