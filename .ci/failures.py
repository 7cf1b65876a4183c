#!/usr/bin/env python3
"""What failed in the log of a stage, short enough to be read in full.

failures.py text LOG     the failed tests with what they said; the end of the log when no test says that it failed
failures.py names LOG    "c NAME" or "python FILE::TEST" a line: the failures that may come from a machine that is too busy.
                         Exit status 1 when there is one that cannot: a report of a sanitizer or of valgrind, a crash, a thing
                         left behind, a stage that did not get to its tests
"""

from __future__ import annotations

import re
import sys

PER_TEST, LAST_LINES, WIDTH, SHOWN = 24, 40, 300, 8
# What no load explains.
FINAL = re.compile(
    r"Sanitizer|runtime error:|(?:^|#\s+)==\d+== |died of signal|status 99|left behind|Fatal Python error|Segmentation fault|"
    r"returncode ?=* ?-(4|6|7|8|11)\b|panicked at|invariant"
)
C_FAILED = re.compile(r"not ok \d+ - (\S+)")
PYTEST_FAILED = re.compile(r"(?:FAILED|ERROR) (\S+?::[^\s\[]+(?:\[.*?\])?)(?: - .*)?$")
MAKE_FAILED = re.compile(r"make(?:\[\d+\])?: \*\*\* \[(?:[^\]]*: )?([^\]: ]+)\] Error")
CLOSING = re.compile(r"^(?:test result: .* \d+ passed; (\d+) failed|\d+ passed, (\d+) failed)")
SUITES = {
    "test-python": "python",
    **dict.fromkeys(["test-c", "test-c-shared", "test-c-static", "test-c-clang", "test-faults"], "c"),
    **dict.fromkeys(["test-asan", "test-ubsan", "test-tsan", "test-valgrind"], "c"),
}
PYTEST_TITLE = re.compile(r"_{3,} (?:ERROR at \w+ of )?(.+?) _{3,}$")


def c_failures(lines: list[str]) -> dict[str, list[str]]:
    """What follows each "not ok", which is indented by "#"."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        match = C_FAILED.match(line)
        if match:
            current = found.setdefault(match.group(1), [])
        elif current is not None and line.startswith("#"):
            current.append(line)
        else:
            current = None
    return found


def pytest_failures(lines: list[str]) -> dict[str, list[str]]:
    """The section of each test that the summary names."""
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        match = PYTEST_TITLE.match(line)
        if match:
            current = sections.setdefault(match.group(1), [])
        elif line.startswith("====="):
            current = None
        elif current is not None:
            current.append(line)
    found = {}
    for line in lines:
        match = PYTEST_FAILED.match(line)
        if match:
            title = match.group(1).partition("::")[2].replace("::", ".")
            found[match.group(1)] = sections.get(title, [line])
    return found


def shortened(lines: list[str]) -> list[str]:
    """The beginning and, for the most part, the end, which says why."""
    head = 4
    if len(lines) > PER_TEST:
        lines = [*lines[:head], "[...]", *lines[head - PER_TEST :]]
    return [line[:WIDTH] for line in lines]


def text(lines: list[str], failures: dict[str, list[str]]) -> None:
    for name, said in list(failures.items())[:SHOWN]:
        print(f"failed: {name}")
        print("\n".join(f"  {line}" for line in shortened(said)))
    if len(failures) > SHOWN:
        print(f"failed as well: {' '.join(list(failures)[SHOWN:])}")
    if not failures:
        rest = [line for line in lines if not re.match(r"ok \d|SKIPPED ", line)]
        print("\n".join(line[:WIDTH] for line in rest[-LAST_LINES:]))


def unexplained(lines: list[str], of_c: dict[str, list[str]], of_python: dict[str, list[str]]) -> bool:
    """Whether something failed that no test has answered for: a suite that broke off, or a runner of another kind."""
    for line in lines:
        match = MAKE_FAILED.match(line)
        if match and match.group(1) != "test":
            suite = SUITES.get(match.group(1))
            if not (of_c if suite == "c" else of_python if suite == "python" else {}):
                return True
    said = sum(1 for line in lines if C_FAILED.match(line) or PYTEST_FAILED.match(line))
    return said == 0 or said != sum(
        int(match.group(1) or match.group(2)) for match in map(CLOSING.match, lines) if match
    )


def main() -> int:
    what, log = sys.argv[1:]
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    of_c, of_python = c_failures(lines), pytest_failures(lines)
    if what == "text":
        text(lines, {**of_c, **of_python})
        return 0
    for kind, failures in (("c", of_c), ("python", of_python)):
        for name in failures:
            print(kind, name)
    said = [line for some in (*of_c.values(), *of_python.values()) for line in some]
    return 1 if unexplained(lines, of_c, of_python) or any(FINAL.search(line) for line in said) else 0


if __name__ == "__main__":
    sys.exit(main())
