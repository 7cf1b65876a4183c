"""CPython's own tests of threads, locks, queues, sockets and selectors, with everything patched.

They take minutes, so they run only when asked for: `make test-stdlib`, or GREENRT_STDLIB=1 with pytest. What each module did is
kept in build/stdlib/VERSION.json, from which table.py writes docs/STDLIB.md.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, run_python

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from known_failures import ELSEWHERE, FAILS, LEFT_OUT, MODULES, PASSES_FROM  # noqa: E402

LIMIT = 480

pytestmark = pytest.mark.skipif(not os.environ.get("GREENRT_STDLIB"), reason="slow: asked for by make test-stdlib")


def present(module: str) -> bool:
    """Debian ships Python without its tests, and old modules come and go. Those that have become packages are listed by their parts."""
    try:
        spec = importlib.util.find_spec(f"test.{module}")
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.submodule_search_locations is None


@contextlib.contextmanager
def from_elsewhere() -> Iterator[None]:
    """This virtual environment finds more modules in the `test` package, and so does every interpreter that a test starts, also by -I."""
    place = Path(sysconfig.get_path("purelib"), "greenrt_more_tests.pth")
    place.write_text(f"import test; test.__path__.append({ELSEWHERE!r})\n")
    try:
        yield
    finally:
        place.unlink()


def keep(module: str, outcome: dict[str, object]) -> None:
    """Notes the outcome of a module for the table."""
    place = ROOT / "build" / "stdlib" / f"{sys.version_info[0]}.{sys.version_info[1]}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(place.read_text()) if place.exists() else {}
    known[module] = outcome
    place.write_text(json.dumps(known, indent=1, sort_keys=True))


@pytest.mark.parametrize("module", MODULES)
def test_cpythons_own_tests_pass_patched(module: str) -> None:
    more: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if not present(module):
        if sys.prefix == sys.base_prefix or not Path(ELSEWHERE, f"{module}.py").exists():
            pytest.skip(f"this Python comes without test.{module}")
        more = from_elsewhere()
    with more:
        result = run_python(str(HERE / "run_patched.py"), module, str(LIMIT), timeout=LIMIT + 30)
    lines = result.stdout.strip().splitlines()
    assert lines and lines[-1].startswith("{"), f"{module} did not end\n{result.stderr[-4000:]}"
    outcome = json.loads(lines[-1])
    assert outcome["ran"] > 0
    keep(module, outcome)
    failed = set(outcome["failed"])
    mine = {name for name in FAILS if name.startswith(f"{module}.")}
    expected = {name for name in mine if sys.version_info[:2] < PASSES_FROM.get(name, (9, 9))}
    assert failed - expected == set(), f"new failures\n{result.stderr[-6000:]}"
    assert expected - failed == set(), "these pass now: take them out of known_failures.py"


def test_every_known_failure_has_its_module() -> None:
    for name in [*FAILS, *LEFT_OUT]:
        assert any(name.startswith(f"{module}.") for module in MODULES), name
