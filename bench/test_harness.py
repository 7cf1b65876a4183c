"""The promises of the harness itself: `python3 bench/test_harness.py`. Nothing is measured or built here."""

from __future__ import annotations

import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import run
from harness import echo, process, quiet, report
from harness.build import Programs
from harness.rows import ROWS, Row, Target, missing


def row(*subjects: str, targets: tuple[Target, ...] = ()) -> Row:
    return Row("yield2", "a row", ("ns_per_op",), subjects, targets, "context")


class Turns(unittest.TestCase):
    no_waiting = mock.patch.object(quiet, "wait_for_quiet", lambda cores, patience: None)

    def measure(self, one_turn, missing=None):
        programs = Programs()
        programs.missing = missing or {}
        with (
            mock.patch.object(run, "turn", one_turn),
            mock.patch.object(run, "say", lambda text: None),
            self.no_waiting,
        ):
            return run.measure(row("context", "greenrt", "may"), programs, quick=True, rounds=3)

    def test_subjects_take_turns(self):
        order = []

        def one_turn(row, subject, programs, quick):
            order.append(subject)
            return {"ns_per_op": 1.0}

        self.measure(one_turn)
        self.assertEqual(order, ["context", "greenrt", "may"] * 3)

    def test_a_subject_that_fails_keeps_its_line_and_its_reason(self):
        def one_turn(row, subject, programs, quick):
            if subject == "may":
                raise process.Failed("failed after 32745 coroutines")
            return {"ns_per_op": 1.0}

        record = self.measure(one_turn, {"greenrt": "cargo is not installed"})
        lines = report.row_lines(row("context", "greenrt", "may"), record)
        self.assertTrue(any("| may | failed: failed after 32745 coroutines |" in line for line in lines))
        self.assertTrue(any("| greenrt | skipped: cargo is not installed |" in line for line in lines))

    def test_a_subject_that_fails_in_a_later_round_has_no_figure(self):
        seen = []

        def one_turn(row, subject, programs, quick):
            seen.append(subject)
            if seen.count("may") == 2 and subject == "may":
                raise process.Failed("gone")
            return {"ns_per_op": 1.0}

        record = self.measure(one_turn)
        self.assertNotIn("may", record["subjects"])
        self.assertEqual(len(record["subjects"]["greenrt"]["ns_per_op"]), 3)


class QuietTurns(unittest.TestCase):
    def undisturbed(self, others, patience):
        """Turns of a second, in which others use these parts of the core, one after the other."""
        clock = [0.0]
        work = [0.0]
        parts = iter(others)
        number = iter(range(len(others)))

        def turn():
            clock[0] += 1.0
            work[0] += next(parts)
            return {"turn": float(next(number))}

        with (
            mock.patch.object(quiet, "wait_for_quiet", lambda cores, patience: None),
            mock.patch.object(quiet, "busy", lambda cores: work[0]),
            mock.patch.object(quiet, "own", lambda: 0.0),
            mock.patch.object(quiet.time, "monotonic", lambda: clock[0]),
        ):
            figures, disturbance = quiet.undisturbed(turn, {1}, quiet.Patience(patience))
        return figures["turn"], round(disturbance, 3)

    def test_a_quiet_turn_is_taken_at_once(self):
        self.assertEqual(self.undisturbed([0.01, 0.0], 10.0), (0.0, 0.01))

    def test_a_disturbed_turn_is_taken_again(self):
        self.assertEqual(self.undisturbed([0.5, 0.02, 0.0], 10.0), (1.0, 0.02))

    def test_the_least_disturbed_turn_counts_when_patience_ends(self):
        self.assertEqual(self.undisturbed([0.5, 0.2, 0.4, 0.0], 1.5), (1.0, 0.2))

    def test_without_patience_a_turn_is_taken_once(self):
        self.assertEqual(self.undisturbed([0.5, 0.0], 0.0), (0.0, 0.5))


class Verdicts(unittest.TestCase):
    samples = {"greenrt": {"ns_per_op": [10.0, 40.0, 9.0]}, "context": {"ns_per_op": [5.0, 20.0, 9.0]}}

    def test_a_ratio_is_taken_turn_by_turn(self):
        outcome = report.verdict(Target("ns_per_op", 2.0, "context"), self.samples)
        self.assertEqual((outcome.reached, outcome.met), ("2.000", True))

    def test_a_missed_target_is_missed(self):
        self.assertIs(report.verdict(Target("ns_per_op", 1.9, "context"), self.samples).met, False)
        self.assertIs(report.verdict(Target("ns_per_op", 2.1, "context", at_least=True), self.samples).met, False)

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        self.assertIsNone(report.verdict(Target("ns_per_op", 1.9, "may"), self.samples).met)
        self.assertIsNone(report.verdict(Target("calls_per_req", 1.9), self.samples).met)

    def test_every_row_is_in_the_table_of_a_partial_run(self):
        text = report.render({"facts": {}, "rows": {}})
        for known in ROWS:
            self.assertIn(known.title, text)

    def test_a_later_run_replaces_its_rows_and_they_say_so(self):
        def run(commit, rows):
            facts = {"commit": commit, "date": "today"}
            return {"facts": facts, "rows": {name: {"subjects": {}, "reasons": {}, "others": []} for name in rows}}

        one, two = ROWS[0], ROWS[1]
        text = report.render(report.together([run("aaa", [one.name, two.name]), run("bbb", [two.name])]))
        self.assertIn("* commit: aaa", text)
        self.assertEqual(text.count("Measured by a run of its own: commit bbb, today."), 1)
        self.assertLess(text.index(two.title), text.index("commit bbb"))


class PythonRows(unittest.TestCase):
    def test_a_server_that_lacks_its_library_or_the_load_says_so(self):
        programs = Programs()
        served = next(known for known in ROWS if known.name == "py-echo-50")
        programs.missing = {"uvloop": "no uvloop", "asyncio": "no venv", "greenrt (Python)": "no package"}
        reasons = {subject: missing(subject, programs, served) for subject in served.subjects}
        self.assertEqual(reasons["uvloop protocol"], "no uvloop")
        self.assertEqual(reasons["asyncio streams"], "no venv")
        self.assertEqual(reasons["greenrt, plain program"], "no package")
        self.assertIsNone(reasons["greenrt"])
        programs.missing["load"] = "no load"
        self.assertEqual({missing(subject, programs, served) for subject in served.subjects}, {"no load"})

    def test_a_limit_over_a_peer_names_a_subject_of_the_row(self):
        for known in ROWS:
            for target in known.targets:
                self.assertIn(target.subject, known.subjects)
                self.assertTrue(target.over is None or target.over in known.subjects, f"{known.name}: {target.over}")

    def test_servers_leave_both_cores_alone(self):
        for known in ROWS:
            both = known.both_cores or known.served
            with mock.patch.object(run, "core", lambda wanted: wanted):
                self.assertEqual(len(run.cores_of(known)), 2 if both else 1, known.name)


class Reading(unittest.TestCase):
    def test_counts_of_both_tools_are_read(self):
        self.assertEqual(echo.perf_count("# started\n\n4321,,raw_syscalls:sys_enter,1,100.00,,\n"), 4321)
        total = "------ ----- ----- ------ ----- ------\n100.00    0.001000           1      1234         7 total\n"
        self.assertEqual(echo.strace_count(total), 1234)
        self.assertEqual(echo.perf_count("<not counted>,,raw_syscalls:sys_enter,0,0.00,,"), 0)

    def test_the_reason_of_a_failure_is_its_telling_line(self):
        rust = "thread 'main' panicked at src/main.rs:1:1:\nno stack left\nnote: run with RUST_BACKTRACE=1\n"
        self.assertEqual(process.last_words(rust), "thread 'main' panicked at src/main.rs:1:1: no stack left")
        self.assertEqual(process.last_words("Traceback (most recent call last):\n  x\nKeyError: 1\n"), "KeyError: 1")
        self.assertEqual(process.last_words(""), "no message")

    def test_only_figures_are_read(self):
        self.assertEqual(
            process.values("port 80\nhello there\nns_per_op 1.5\na b c\n"), {"port": 80.0, "ns_per_op": 1.5}
        )


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
