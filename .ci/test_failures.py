#!/usr/bin/env python3
"""The promises of failures.py: what it shows of a log, and what it calls explainable by load."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
C_LOG = """TAP version 13
1..3
ok 1 - sleep_a
not ok 2 - sleep_b
#   ended with status 1, process 7
#   test_sleep.c:10: 3 is not 4
ok 3 - sleep_c
2 passed, 1 failed
make: *** [mk/c.mk:123: test-c-clang] Error 1
"""
PYTEST_LOG = """.F.
=================================== FAILURES ===================================
___________________________ Test.test_b[a - b] ___________________________
    def test_b():
E       assert 1 == 2
=========================== short test summary info ============================
SKIPPED [1] tests/test_a.py:3: no server here
FAILED tests/test_a.py::Test::test_b[a - b] - assert 1 == 2
2 passed, 1 failed, 1 skipped
make[1]: *** [mk/python.mk:46: test-python] Error 1
"""


def look(what: str, log: str) -> tuple[int, list[str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
        file.write(log)
        file.flush()
        done = subprocess.run(
            [sys.executable, HERE / "failures.py", what, file.name], stdout=subprocess.PIPE, text=True
        )
        return done.returncode, done.stdout.splitlines()


class Failures(unittest.TestCase):
    def test_a_failed_c_test_is_named_and_what_it_said_is_shown(self) -> None:
        self.assertEqual(look("names", C_LOG), (0, ["c sleep_b"]))
        shown = look("text", C_LOG)[1]
        self.assertEqual(shown[0], "failed: sleep_b")
        self.assertIn("  #   test_sleep.c:10: 3 is not 4", shown)
        self.assertNotIn("sleep_a", "".join(shown))

    def test_a_failed_python_test_is_named_and_its_section_is_shown(self) -> None:
        self.assertEqual(look("names", PYTEST_LOG), (0, ["python tests/test_a.py::Test::test_b[a - b]"]))
        shown = look("text", PYTEST_LOG)[1]
        self.assertIn("  E       assert 1 == 2", shown)
        self.assertNotIn("SKIPPED", "".join(shown))

    def test_a_test_whose_fixture_failed_as_well_is_one_test(self) -> None:
        twice = PYTEST_LOG.replace(
            "FAILED tests/", "ERROR tests/test_a.py::Test::test_b[a - b] - subprocess.TimeoutExpired\nFAILED tests/"
        ).replace("1 failed", "2 failed")
        self.assertEqual(look("names", twice), (0, ["python tests/test_a.py::Test::test_b[a - b]"]))
        self.assertEqual(look("names", twice.replace("2 failed", "3 failed"))[0], 1)

    def test_tests_of_both_kinds_in_one_stage_are_named(self) -> None:
        both = C_LOG.replace("test-c-clang", "test-c") + PYTEST_LOG + "make: *** [Makefile:70: test] Error 1\n"
        self.assertEqual(look("names", both), (0, ["c sleep_b", "python tests/test_a.py::Test::test_b[a - b]"]))

    def test_what_no_load_explains_is_final(self) -> None:
        for said in (
            "WARNING: ThreadSanitizer: data race (pid=7)",
            "==7== Invalid read of size 8",
            "src/x.c:1:2: runtime error: shift exponent",
            "died of signal 11 (Segmentation fault)",
            "ended with status 99, process 7",
            "test_x.c:3: left behind by the test: 1 tasks",
        ):
            self.assertEqual(look("names", C_LOG.replace("test_sleep.c:10: 3 is not 4", said))[0], 1, said)
        self.assertEqual(
            look("names", PYTEST_LOG.replace("assert 1 == 2\n=", "assert -11 == 0; returncode=-11\n="))[0], 1
        )

    def test_a_suite_that_broke_off_is_final(self) -> None:
        self.assertEqual(look("names", C_LOG + "make: *** [mk/python.mk:46: test-python] Error 4\n")[0], 1)
        self.assertEqual(look("names", C_LOG.replace("2 passed, 1 failed\n", ""))[0], 1)

    def test_a_failure_of_another_runner_is_final(self) -> None:
        rust = "test a ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 0 ignored\n"
        self.assertEqual(look("names", rust)[0], 1)
        self.assertEqual(look("names", rust + C_LOG)[0], 1)

    def test_the_end_is_shown_when_no_test_says_that_it_failed(self) -> None:
        self.assertEqual(look("text", "ok 1 - a\nSKIPPED [1] b\ndemo: lost 3\n")[1], ["demo: lost 3"])

    def test_long_output_is_cut_in_its_middle(self) -> None:
        shown = look("text", C_LOG.replace("3 is not 4", "a\n" + "#   b\n" * 100 + "#   c"))[1]
        self.assertLess(len(shown), 30)
        self.assertIn("  [...]", shown)
        self.assertEqual(shown[-1], "  #   c")


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bad != 0)
