"""py-spy, which reads a process from outside, shows every task with its stack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import environment

PROGRAM = """
import sys, greenrt
def parked(number):
    greenrt.sleep(600)
tasks = [greenrt.spawn(parked, number) for number in range(20)]
greenrt.sleep(0)
print("ready", flush=True)
sys.stdin.read()
"""


def test_py_spy_sees_every_task() -> None:
    beside = Path(sys.executable).with_name("py-spy")
    spy: Any = str(beside) if beside.exists() else shutil.which("py-spy")
    if spy is None:
        pytest.skip("py-spy is not installed")
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        dump = subprocess.run(
            [spy, "dump", "--pid", str(process.pid)], capture_output=True, text=True, timeout=60, check=False
        )
        process.stdin.close()
        process.wait(60)
    if dump.returncode != 0:
        pytest.skip(f"py-spy cannot read this process: {dump.stderr.strip().splitlines()[-1]}")
    assert dump.stdout.count("parked (<string>:4)") == 20, dump.stdout
    assert "<module> (<string>:" in dump.stdout
