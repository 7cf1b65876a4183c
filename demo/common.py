"""What both demonstrations share: their settings, how they build, and how they say that they cannot go on."""

from __future__ import annotations

import math
import os
import pathlib
import shutil
import subprocess
from typing import IO

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


def call(what: str, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
    print(f"  {what} ...", flush=True)
    if shutil.which(command[0]) is None:
        raise Failed(f"{what}: {command[0]} is not installed")
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}, capture_output=True, text=True)


def build(what: str, command: list[str], **extra: str) -> None:
    done = call(what, command, **extra)
    if done.returncode != 0:
        raise Failed(f"{what}: `{' '.join(command)}` failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def output_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None, "started with a pipe"
    return process.stdout
