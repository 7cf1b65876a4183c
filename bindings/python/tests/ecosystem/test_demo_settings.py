"""What `make demo` and `make demo-core` are told by the environment: what is none of it is a line, and nothing is begun."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT, environment

DEMO = ROOT / "demo"
pytestmark = pytest.mark.skipif(not DEMO.is_dir(), reason="not in an installed package")


@pytest.mark.parametrize(
    ("program", "name", "value", "says"),
    [
        ("run.py", "DEMO_SECONDS", "abc", "not a number of 0 or more"),
        ("run.py", "DEMO_SECONDS", "inf", "not a number of 0 or more"),
        ("run.py", "DEMO_PORT", "x", "not a number from 0 to 65535"),
        ("run.py", "DEMO_PORT", "65536", "not a number from 0 to 65535"),
        ("run.py", "DEMO_DEVICES", "1.5", "not a whole number"),
        ("run.py", "DEMO_DEVICES", "0", "not a number of 1 or more"),
        ("core/run.py", "DEMO_SECONDS", "nan", "not a number of 0 or more"),
        ("core/run.py", "DEMO_CLIENTS", "many", "not a number of 2 or more"),
    ],
)
def test_a_setting_that_is_none_is_refused_in_one_line(program: str, name: str, value: str, says: str) -> None:
    line = [sys.executable, str(DEMO / program)]
    done = subprocess.run(line, env=environment(**{name: value}), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"demo: {name}={value}: {says}\n")
