"""Packages of the npm registry, for the tests with clients in JavaScript: installed once, under build/."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

PLACE = ROOT / "build" / "npm"


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def package(name: str) -> Path:
    """The folder to put on NODE_PATH; skips where the package cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    PLACE.mkdir(parents=True, exist_ok=True)
    modules = PLACE / "node_modules"
    # Tests of several interpreters may run at a time.
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (modules / name / "package.json").exists():
            line = [npm, "install", "--prefix", str(PLACE), "--no-audit", "--no-fund", "--ignore-scripts", name]
            try:
                done = subprocess.run(line, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                pytest.skip(f"npm does not get {name} in 120 s")
            if done.returncode != 0:
                pytest.skip(f"npm cannot get {name}: {done.stderr.strip().splitlines()[-1:]}")
    return modules
