"""Runs one module of CPython's own tests with everything patched; run by test_stdlib.py, in an interpreter of its own.

The last line of its output is JSON: how many ran, and the names of those that failed.
"""

import faulthandler
import json
import sys
import unittest
from collections.abc import Iterator

from known_failures import LEFT_OUT

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


def main() -> None:
    module, limit = sys.argv[1:]
    faulthandler.dump_traceback_later(float(limit), exit=True)
    monkey.patch_all()
    loaded = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    tests = [test for test in flat(loaded) if not name(test).startswith(tuple(LEFT_OUT))]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    failed = sorted({name(test) for test, _ in [*result.failures, *result.errors]})
    print()
    print(json.dumps({"ran": result.testsRun, "failed": failed}))


if __name__ == "__main__":
    main()
