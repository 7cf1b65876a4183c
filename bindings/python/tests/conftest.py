"""Helpers that every test of the package may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent.parent
sys.path.insert(0, str(PACKAGE))

# A shell that starts the tests in the background has them ignore Ctrl-C, and whatever they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `pytestmark = once` in a file that needs no particular interpreter, and takes long: who tests with several runs it with one of them.
once = pytest.mark.skipif(
    os.environ.get("GREENRT_ONCE") == "no", reason="it runs with one of the interpreters (GREENRT_ONCE=no)"
)


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child interpreter that must import this package."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GREENRT_STACK")}
    env["PYTHONPATH"] = os.pathsep.join([str(PACKAGE), *filter(None, [env.get("PYTHONPATH")])])
    env.update(extra)
    return env


def run_python(*arguments: str, timeout: float = 60, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter in a process of its own and gives back what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(**extra),
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def python() -> Any:
    """run_python, for tests."""
    return run_python


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The closing line that every runner of this project prints."""
    count = {
        kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped", "xfailed")
    }
    line = f"{count['passed']} passed, {count['failed'] + count['error']} failed"
    skipped = count["skipped"] + count["xfailed"]
    terminalreporter.write_line(line + (f", {skipped} skipped" if skipped else ""))
