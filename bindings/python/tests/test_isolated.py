"""Runs every script of isolated/ in an interpreter of its own; each must exit with 0 and print `pass` as its last line.

A script may say how it wants to be run, in its first lines: `# flags: -X dev`, `# timeout: 120`, `# env: NAME=value`; and what it
cannot do without: `# needs: uvloop greenlet` (modules; skipped without them).
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import run_python

SCRIPTS = sorted((Path(__file__).parent / "isolated").glob("*.py"))


def directives(script: Path) -> dict[str, str]:
    """The `# name: value` lines before the first line of code."""
    found = {}
    for line in script.read_text().splitlines():
        if not line.startswith("#"):
            break
        match = re.match(r"# (flags|timeout|env|needs|programs): (.*)", line)
        if match:
            found[match.group(1)] = match.group(2).strip()
    return found


def check_script(script: Path) -> None:
    """Runs a script as it wants to be run; it must end with `pass`."""
    wanted = directives(script)
    for module in wanted.get("needs", "").split():
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    flags = wanted.get("flags", "").split()
    extra = dict(pair.split("=", 1) for pair in wanted.get("env", "").split())
    patience = max(240.0, float(wanted.get("timeout", "0")))
    result = run_python("-X", "faulthandler", *flags, str(script), timeout=patience, **extra)
    lines = result.stdout.strip().splitlines()
    assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert lines and lines[-1] == "pass", f"{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_passes(script: Path) -> None:
    check_script(script)
