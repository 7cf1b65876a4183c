"""Tests of the drop-in, apart from those that must not find anything patched: an interpreter of its own for each file.

    @apart
    def test_it(): ...      runs there, the drop-in installed as `eventlet`; the file is loaded there a second time

The functions of a file run one after the other in that interpreter. `needs` of the file, a list of modules, skips all of them
where one is missing.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

CHILD = "GREENRT_TESTS_APART"
_results: dict[str, dict[str, str]] = {}


def apart(test: Callable[[], None]) -> Callable[[], None]:
    """A test that runs in the other interpreter."""
    if CHILD in os.environ:
        return test

    @functools.wraps(test)
    def outcome() -> None:
        from conftest import run_python

        path = test.__code__.co_filename
        if path not in _results:
            done = run_python("-X", "faulthandler", __file__, path, timeout=600, **{CHILD: "1"})
            found = dict(json.loads(line[1:]) for line in done.stdout.split("\n") if line.startswith("\x1e"))
            found["\x1e"] = f"exit {done.returncode}\n{done.stderr[-4000:]}"
            _results[path] = found
        found = _results[path]
        text = found.get(test.__name__, f"it did not run; {found[chr(30)]}")
        if text.startswith("skip "):
            import pytest

            pytest.skip(text[5:])
        assert text == "", text

    return outcome


class Skip(Exception):
    """Raised by a test that cannot run here."""


def main() -> None:
    """In the child: runs a file's tests."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import greenrt

    greenrt.install_as_eventlet()
    tests: dict[str, Any] = runpy.run_path(sys.argv[1])
    missing = [name for name in tests.get("needs", ()) if find_spec(name) is None]
    for name, test in tests.items():
        if not name.startswith("test_") or not callable(test) or hasattr(test, "__wrapped__"):
            continue
        text = f"skip {', '.join(missing)} cannot be imported" if missing else ""
        try:
            if not missing:
                test()
        except Exception as error:
            # The class that the file has is another than this one.
            text = f"skip {error}" if type(error).__name__ == "Skip" else traceback.format_exc()
        print("\x1e" + json.dumps([name, text]), flush=True)


if __name__ == "__main__":
    main()
