#!/usr/bin/env python3
"""Measures greenrt beside its peers, in turn on one pinned core, and writes bench/RESULTS.md.

    python3 bench/run.py                 every row, results to bench/RESULTS.md
    python3 bench/run.py --quick         short turns, few rounds; results to bench/out/RESULTS.md only
    python3 bench/run.py --only yield2   one row (may be repeated); results to bench/out/RESULTS.md only
    python3 bench/run.py --rows chan     the rows with that in their name (may be repeated); likewise

The samples of each run are kept as JSON in bench/out. A peer that is not installed is named with the reason; no row is
dropped. Only the standard library is used; what the peers need is listed in bench/README.md.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import pathlib
import resource
import sys
import time
from typing import Any

from harness import echo, quiet, report
from harness.build import BENCH, Programs
from harness.process import CLIENT_CORE, NICENESS, SERVER_CORE, Failed, core
from harness.rows import ROWS, Row, command, missing, row_word, turn, words

CALL_ROUNDS = 3
# Seconds that each row may spend on quiet moments and repeated turns.
PATIENCE = 20.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def cores_of(row: Row) -> set[int]:
    """The cores that have to be left alone while the row runs."""
    both = {core(SERVER_CORE), core(CLIENT_CORE)}
    return both if row.both_cores or row.served else {core(SERVER_CORE)}


def measure(row: Row, programs: Programs, quick: bool, rounds: int) -> dict[str, Any]:
    """All turns of one row: the samples of each subject, and for a subject without samples the reason."""
    record: dict[str, Any] = {"subjects": {}, "reasons": {}, "others": []}
    alive = []
    for subject in row.subjects:
        reason = missing(subject, programs, row)
        if reason:
            record["reasons"][subject] = f"skipped: {reason}"
            say(f"  {subject}: skipped: {reason}")
        else:
            alive.append(subject)
            record["subjects"][subject] = {}
    patience = quiet.Patience(0 if quick else PATIENCE)
    for number in range(rounds):
        for subject in list(alive):
            try:
                found, others = quiet.undisturbed(
                    functools.partial(turn, row, subject, programs, quick), cores_of(row), patience
                )
            except Failed as failure:
                # All or nothing: a subject that failed once has no figure, so that turns of all others stay aligned.
                alive.remove(subject)
                del record["subjects"][subject]
                record["reasons"][subject] = f"failed: {failure}"
                say(f"  {subject}: failed: {failure}")
                continue
            record["others"].append(others)
            for metric, value in found.items():
                record["subjects"][subject].setdefault(metric, []).append(value)
        say(f"  {row.name}: round {number + 1} of {rounds}")
    if row.name.startswith(("echo-", "http-")):
        count_calls(row, alive, programs, quick, record)
    return record


def count_calls(row: Row, alive: list[str], programs: Programs, quick: bool, record: dict[str, Any]) -> None:
    tool = echo.counting_tool()
    for subject in alive:
        if tool is None:
            record["reasons"][f"{subject} calls_per_req"] = "no perf, no strace"
            continue
        line, extra = command(subject, row_word(row), programs)
        for _ in range(1 if quick else CALL_ROUNDS):
            try:
                seconds = 0.5 if quick else 1.0
                found = echo.count_calls(tool, programs.path("load"), line, extra, row.size, seconds, words(row))
            except Failed as failure:
                record["reasons"][f"{subject} calls_per_req"] = f"failed: {failure}"
                break
            for metric, value in found.items():
                record["subjects"][subject].setdefault(metric, []).append(value)


def rows_asked(names: list[str] | None, parts: list[str] | None) -> list[Row]:
    known = {row.name: row for row in ROWS}
    for name in names or []:
        if name not in known:
            sys.exit(f"no row {name}; there are: {' '.join(known)}")
    for part in parts or []:
        if not any(part in name for name in known):
            sys.exit(f"no row has {part} in its name; there are: {' '.join(known)}")
    if not names and not parts:
        return list(ROWS)
    return [row for row in ROWS if row.name in (names or []) or any(part in row.name for part in parts or [])]


def main() -> int:
    parser = argparse.ArgumentParser(description="greenrt's benchmarks, beside its peers")
    parser.add_argument("--quick", action="store_true", help="short turns and few rounds")
    parser.add_argument("--only", metavar="ROW", action="append", help="measure this row only (may be repeated)")
    parser.add_argument("--rows", metavar="PART", action="append", help="measure the rows whose name has this in it")
    parser.add_argument("--rounds", type=int, help="turns of each subject, instead of the row's own number")
    parser.add_argument(
        "--render",
        metavar="JSON",
        type=pathlib.Path,
        nargs="+",
        help="write RESULTS.md again from a kept run, with the rows that later runs have",
    )
    arguments = parser.parse_args()
    if arguments.render:
        runs = [json.loads(path.read_text()) for path in arguments.render]
        (BENCH / "RESULTS.md").write_text(report.render(report.together(runs)))
        return 0

    rows = rows_asked(arguments.only, arguments.rows)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs = Programs().build(say)
    if any(row.name.startswith("py-") for row in rows):
        programs.build_python(say)

    facts = report.machine()
    facts["command"] = " ".join(["python3 bench/run.py", *sys.argv[1:]])
    facts["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    facts["cores"] = (
        f"program under test on core {core(SERVER_CORE)}, load generator on core {core(CLIENT_CORE)}, "
        f"niceness {NICENESS} where allowed"
    )
    result: dict[str, Any] = {"facts": facts, "rows": {}}
    for row in rows:
        say(row.title)
        began = time.monotonic()
        rounds = arguments.rounds or (min(3, row.rounds) if arguments.quick else row.rounds)
        result["rows"][row.name] = measure(row, programs, arguments.quick, rounds)
        say(f"  {row.name}: {time.monotonic() - began:.0f} s")

    out = BENCH / "out"
    out.mkdir(exist_ok=True)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    (out / f"{stamp}.json").write_text(json.dumps(result, indent=1))
    text = report.render(result)
    whole = not (arguments.quick or arguments.only or arguments.rows)
    place = BENCH / "RESULTS.md" if whole else out / "RESULTS.md"
    place.write_text(text)
    for row in rows:
        print("\n".join(report.row_lines(row, result["rows"][row.name])))
    print("\n".join(report.summary_lines(result)))
    say(f"samples: {(out / stamp).name}.json; table: {place.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
