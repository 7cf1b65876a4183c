"""Programs of this folder under `python -m greenrt.wsgi`."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conftest import environment

from .support import HERE, PATIENCE, eventually


def surroundings(**extra: str) -> dict[str, str]:
    env = environment(**extra)
    env["PYTHONPATH"] = os.pathsep.join([str(HERE), env["PYTHONPATH"]])
    return env


class Served:
    """A server in a process of its own."""

    def __init__(self, app: str, folder: Path, **extra: str) -> None:
        self.errors = folder / "stderr"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "greenrt.wsgi", app, "--bind", "127.0.0.1:0"],
                env=surroundings(**extra),
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def said(self) -> str:
        return self.errors.read_text()

    def wait(self) -> None:
        """Until it says where it is."""

        def ready() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said()
            return re.search(r"serves (http://\S+)", self.said())

        self.url: str = eventually(ready)[1]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(app: str, folder: Path, **extra: str) -> Iterator[Served]:
    """The server; in the end it must stop by itself."""
    served = Served(app, folder, **extra)
    try:
        served.wait()
        yield served
    finally:
        assert served.end() == 0, served.said()


def prepare(module: str, folder: Path, **extra: str) -> None:
    """Runs a program's own preparations."""
    subprocess.run([sys.executable, "-m", module], env=surroundings(**extra), cwd=folder, check=True, timeout=120)
