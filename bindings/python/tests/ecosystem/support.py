"""What the ecosystem tests share: programs written for eventlet, started on greenrt, and waited for.

ECOSYSTEM_ON=eventlet starts them on the eventlet package instead: what they ask for must be what eventlet does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import PACKAGE, environment
from libraries.servers import free_port

HERE = Path(__file__).resolve().parent
GREEN = os.environ.get("ECOSYSTEM_ON", "greenrt") == "greenrt"
PATIENCE = 120.0


def need(*modules: str) -> None:
    """Skips the file that calls it where one of the modules is missing."""
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed", allow_module_level=True)


def command(script: Path, *arguments: str) -> list[str]:
    """A program for eventlet, started as always: see surroundings()."""
    return [sys.executable, str(script), *arguments]


def surroundings(**extra: str) -> dict[str, str]:
    """For a program, and for the programs that it starts, `eventlet` is greenrt's."""
    env = environment(PYTHONUNBUFFERED="1", **extra)
    if GREEN:
        env["PYTHONPATH"] = os.pathsep.join([str(PACKAGE / "greenrt" / "compat" / "dropin"), env["PYTHONPATH"]])
    else:
        env["PYTHONWARNINGS"] = "ignore"
    return env


def eventually(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Until it is true; its value."""
    end = time.monotonic() + patience
    while True:
        value = what()
        if value or time.monotonic() > end:
            assert value, f"did not come true in {patience} s"
            return value
        time.sleep(0.02)


def in_order(client: Any) -> Any:
    """A socketio.Client that takes what comes in one after the other, in the thread that reads. By itself it gives each packet to an
    OS thread of its own, and one overtakes another: an event the one before it, bytes the event that they belong to."""
    trigger = client.eio._trigger_event
    client.eio._trigger_event = lambda event, *values, **how: trigger(event, *values, **{**how, "run_async": False})
    return client


class Program:
    """A server in a process of its own, whose output goes to a file."""

    def __init__(self, line: Sequence[str], port: int, log: Path, **extra: str):
        self.port, self.log = port, log
        self.url = f"http://127.0.0.1:{port}"
        with log.open("ab") as output:
            self.process = subprocess.Popen(line, env=surroundings(**extra), stdout=output, stderr=output)

    def wait(self) -> Program:
        """Until it accepts connections."""
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()}"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            assert time.monotonic() < end, f"does not listen:\n{self.log.read_text()}"
            time.sleep(0.02)

    def os_threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(script: Path, folder: Path, *arguments: str, **extra: str) -> Iterator[Program]:
    """A program that takes its port as the first argument."""
    port = free_port()
    program = Program(command(script, str(port), *arguments), port, folder / f"{script.stem}.log", **extra)
    try:
        yield program.wait()
    finally:
        program.stop()


def installed(name: str) -> str | None:
    """The path of a program, also where Debian hides servers from ordinary users."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
