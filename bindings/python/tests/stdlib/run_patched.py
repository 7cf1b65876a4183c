"""Runs one module of CPython's own tests with everything patched; run by test_stdlib.py, in an interpreter of its own.

Each test runs in a task of its own, started as a program starts one: as a `threading.Thread`, after the patch. Tests that ask
for the main thread run in the root task.
The last line of its output is JSON: how many ran and were skipped, and the names of those that failed.
"""

import faulthandler
import json
import sys
import threading
import unittest
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any

from known_failures import LEFT_OUT, MAIN_THREAD

from greenrt import monkey


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The single tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def name(test: object) -> str:
    """`test_socket.BasicTCPTest.testRecv` of a test or a sub-test."""
    whole = getattr(test, "test_case", test)
    return str(whole.id()).removeprefix("test.") if hasattr(str, "removeprefix") else str(whole.id())[5:]


def in_a_task(run: Callable[..., Any]) -> Callable[..., Any]:
    """`TestCase.run` in a task of its own, with its result and what it raises."""

    def run_in_a_task(self: unittest.TestCase, result: Any = None) -> Any:
        if any(fnmatch(name(self), pattern) for pattern in MAIN_THREAD):
            return run(self, result)
        end: list[Any] = []

        def body() -> None:
            try:
                end.append(run(self, result))
            except BaseException as error:  # raised again below
                end.extend([None, error])

        task = threading.Thread(target=body, name="test")
        task.start()
        task.join()
        if len(end) > 1:
            raise end[1]
        return end[0]

    return run_in_a_task


def main() -> None:
    module, limit = sys.argv[1:]
    faulthandler.dump_traceback_later(float(limit), exit=True)
    monkey.patch_all()
    unittest.TestCase.run = in_a_task(unittest.TestCase.run)  # type: ignore[method-assign]
    loaded = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    tests = [test for test in flat(loaded) if not name(test).startswith(tuple(LEFT_OUT))]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    failed = sorted({name(test) for test, _ in [*result.failures, *result.errors]})
    print()
    print(json.dumps({"ran": result.testsRun, "skipped": len(result.skipped), "failed": failed}))


if __name__ == "__main__":
    main()
