"""eventlet's own tests, from its source distribution, with the drop-in as eventlet.

They take minutes and are not a part of this project, so they run only when asked for: `make test-eventlet-suite`, which fetches
them. What each file did is kept in build/eventlet-suite/VERSION, from which table.py writes docs/EVENTLET-SUITE.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from conftest import ROOT, environment

from greenrt.compat import dropin_path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from suite_failures import FAILS, FROM, MAY_FAIL, UNTIL  # noqa: E402

SUITE = os.environ.get("GREENRT_EVENTLET_SUITE", "")
LIMIT = 240

pytestmark = pytest.mark.skipif(
    not SUITE or not Path(SUITE, "tests").is_dir(),
    reason="eventlet's tests are not here: make test-eventlet-suite fetches them, which needs the network",
)


def files() -> list[str]:
    """The files of tests; those under `isolated` are programs that these start."""
    folder = Path(SUITE, "tests")
    return (
        sorted({path.stem for pattern in ("*_test.py", "test_*.py") for path in folder.glob(pattern)}) if SUITE else []
    )


def keep(file: str, outcome: dict[str, object]) -> None:
    """Notes the outcome of a file for the table."""
    place = ROOT / "build" / "eventlet-suite" / f"{sys.version_info[0]}.{sys.version_info[1]}" / f"{file}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(outcome, indent=1, sort_keys=True))


def read(report: Path) -> dict[str, list[str]]:
    """The names of the tests that passed, failed and were skipped. `wsgi_test.TestHttpd.test_001_server`."""
    outcome: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        name = name[len("tests.") :] if name.startswith("tests.") else name
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcome[kind].add(name)
    outcome["passed"] -= outcome["failed"]
    return {kind: sorted(names) for kind, names in outcome.items()}


def here(name: str) -> bool:
    """Does a known failure fail on this version of Python?"""
    return FROM.get(name, (0, 0)) <= sys.version_info[:2] < UNTIL.get(name, (9, 9))


@pytest.mark.parametrize("file", files())
def test_eventlets_own_tests_pass_on_the_drop_in(file: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-o",
        f"faulthandler_timeout={LIMIT - 60}",
    ]
    command += ["-c", os.devnull, "--rootdir", SUITE, f"--junitxml={report}", f"tests/{file}.py"]
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([dropin_path(), env["PYTHONPATH"]])
    if file == "asyncio_test":
        env["EVENTLET_HUB"] = "asyncio"  # else it skips itself
    run = subprocess.run(
        command, cwd=SUITE, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
    )
    assert report.exists(), f"{file} did not end\n{run.stdout[-4000:]}{run.stderr[-4000:]}"
    outcome = read(report)
    assert any(outcome.values()), f"nothing ran\n{run.stdout[-4000:]}"
    keep(file, dict(outcome))
    failed, ran = set(outcome["failed"]), {*outcome["failed"], *outcome["passed"]}
    expected = {name for name in FAILS if name in ran and here(name)}
    assert failed - expected - set(MAY_FAIL) == set(), f"new failures\n{run.stdout[-6000:]}"
    assert expected - failed == set(), "these pass now: take them out of suite_failures.py"


def test_every_known_failure_has_its_file() -> None:
    for name in [*FAILS, *MAY_FAIL]:
        assert name.split(".")[0] in files(), name
    assert set(FAILS).isdisjoint(MAY_FAIL)
    assert set(FROM) | set(UNTIL) <= set(FAILS)
