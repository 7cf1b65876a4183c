"""Starts measured programs on one core and reads the "name value" lines they print."""

from __future__ import annotations

import os
import subprocess

SERVER_CORE = 1
CLIENT_CORE = 0
NICENESS = -10


class Failed(Exception):
    """A measured program that did not do its work; the text says why."""


def core(wanted: int) -> int:
    """The wanted core, or the last one of a smaller machine."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[min(wanted, len(allowed) - 1)]


def settle(wanted: int):
    """What a child does before it becomes the measured program: one core, and ahead of other work where allowed."""
    chosen = core(wanted)

    def in_child() -> None:
        os.sched_setaffinity(0, {chosen})
        try:
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        except PermissionError:
            pass

    return in_child


def environment(extra: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **extra}


def values(text: str) -> dict[str, float]:
    """The numbers of lines of the form "name value"; other lines are not ours."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2:
            try:
                found[words[0]] = float(words[1])
            except ValueError:
                pass
    return found


def last_words(text: str) -> str:
    """The line of a program's error output that says most: the last one that is not a hint about backtraces."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and "BACKTRACE" not in line]
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "fail", "panic", "assert"))]
    return (telling or lines or ["no message"])[-1][:160]


def run(command: list[str], extra: dict[str, str], timeout: float) -> dict[str, float]:
    """Runs one measured program to its end, on the server's core."""
    try:
        done = subprocess.run(
            command, env=environment(extra), preexec_fn=settle(SERVER_CORE), timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
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
