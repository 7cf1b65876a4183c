"""What both demonstrations share: their settings, how they build, and how they say that they cannot go on."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import IO, Any

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Failed(Exception):
    """The demo cannot go on; the text says why."""


def setting(name: str, default: float, least: float, most: float = math.inf) -> float:
    """A number that the environment may set."""
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not least <= value <= most or math.isinf(value):
        bounds = f"of {least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise Failed(f"{name}={text}: not a number {bounds}")
    return value


def count(name: str, default: int, least: int, most: float = math.inf) -> int:
    """The same, a whole number."""
    value = setting(name, default, least, most)
    if value != int(value):
        raise Failed(f"{name}={os.environ[name]}: not a whole number")
    return int(value)


class Interrupts:
    """Ctrl-C and SIGTERM are a KeyboardInterrupt; one that comes while a process is being started waits until it can be stopped."""

    def __init__(self) -> None:
        self.held = self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, *_: Any) -> None:
        if not self.held:
            raise KeyboardInterrupt
        self.wanted = True

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        self.held = True
        try:
            yield
        finally:
            self.held = False
        if self.wanted:
            raise KeyboardInterrupt


def ended(process: subprocess.Popen[str], within: float = 5.0) -> None:
    """Terminates a process, and kills one that does not mind."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def call(what: str, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
    print(f"  {what} ...", flush=True)
    if shutil.which(command[0]) is None:
        raise Failed(f"{what}: {command[0]} is not installed")
    pipe = subprocess.PIPE
    env = {**os.environ, **extra}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        out, errors = process.communicate()
    except BaseException:
        # With what it has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        ended(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def build(what: str, command: list[str], **extra: str) -> None:
    done = call(what, command, **extra)
    if done.returncode != 0:
        raise Failed(f"{what}: `{' '.join(command)}` failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def library() -> str:
    """Builds the library; its file, which the Python package takes as it is."""
    build("building the library", ["make", "build/lib/libgreenrt.so"])
    return str(ROOT / "build" / "lib" / "libgreenrt.so")


def output_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None, "started with a pipe"
    return process.stdout
