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

# GREENRT_TEST_PREEMPT=0.001: every child that patches is preempted as well, each millisecond, with the real greenlet in it. Not these:
PREEMPT = os.environ.get("GREENRT_TEST_PREEMPT")
UNPREEMPTED = {
    "asyncio_loops": "counts OS threads, and the ticker is one",
    "patch_unpatch": "compares what is patched with what is not, by who runs meanwhile",
    "preempt_slices": "is about preempt() itself",
    "the_task_that_holds_the_thread_is_named": "nobody holds the thread any more",
    "test_a_program": "counts OS threads, and the ticker is one",
    "test_crawler_fetches_all_pages_at_once_on_one_thread": "counts OS threads, and the ticker is one",
    "test_echo_server": "counts OS threads, and the ticker is one",
    "test_everything_by_default": "counts OS threads, and the ticker is one",
    "test_original_threads_are_os_threads": "counts OS threads, and the ticker is one",
    "test_originals_of_functions_block_the_thread": "looks at who ran meanwhile after the call, when others may have",
    "test_threaded_http_serves_many_clients": "counts OS threads, and the ticker is one",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what means nothing with preemption."""
    for item in items if PREEMPT else []:
        for name, reason in UNPREEMPTED.items():
            if name == item.name.partition("[")[0] or item.name.endswith(f"[{name}]"):
                item.add_marker(pytest.mark.skip(reason=reason))


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child interpreter that must import this package."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GREENRT_STACK")}
    preempted = [str(PACKAGE / "tests" / "preempted")] if PREEMPT else []
    env["PYTHONPATH"] = os.pathsep.join([*preempted, str(PACKAGE), *filter(None, [env.get("PYTHONPATH")])])
    env.update(extra)
    return env


def run_python(*arguments: str, timeout: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter in a process of its own and gives back what it printed. The time is for one that hangs."""
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
