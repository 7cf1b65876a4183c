#!/usr/bin/env python3
"""Checks that the C tests provoke what the header promises: every function is called, and every error it documents is named,
in a test that calls it (or its _until twin), or listed in c-tests/faults/seen.txt, which `make test-faults` holds true. What cannot be
provoked is listed in tools/covered.txt with the reason.

    tools/covered.py            prints what is missing and what the list names without need; exits with 1 if there is any
    tools/covered.py --counts   prints the numbers only
"""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEADER = ROOT / "include" / "greenrt.h"
EXCUSES = ROOT / "tools" / "covered.txt"
SEEN = ROOT / "c-tests" / "faults" / "seen.txt"
TESTS = [ROOT / "c-tests"]
SOURCES = ("*.c", "*.cpp", "*.h")

# A comment and the declaration behind it.
COMMENT = re.compile(r"/\*\*(?P<text>.*?)\*/\s*(?P<code>[^/#{}]*?\b(?P<name>gt_\w+)\([^{}]*?\);)", re.S)


def promises() -> dict[str, set[str]]:
    """Function to the errors that its comment lists (a line of its own: ` *   -EINVAL  why`)."""
    found: dict[str, set[str]] = {}
    for match in COMMENT.finditer(HEADER.read_text()):
        if match["code"].startswith("typedef"):
            continue
        errors: set[str] = set()
        for line in match["text"].splitlines():
            if listed := re.match(r" \*   ((?:-?E[A-Z0-9]+(?:, (?:or )?)?)+)", line):
                errors.update(re.findall(r"E[A-Z0-9]+", listed[1]))
        for also in re.findall(r"Also ((?:-E.*?))\.(?:\s|$)", match["text"], re.S):
            errors.update(re.findall(r"-(E[A-Z0-9]+)", also))
        found[match["name"]] = errors
    return found


def bodies() -> list[str]:
    """The text of every top-level block of the tests: a TEST, a helper, a table. Helpers called by a test belong to it."""
    out = []
    for folder in TESTS:
        for pattern in SOURCES:
            for path in sorted(folder.rglob(pattern)):
                text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
                found: dict[str, str] = {}
                for match in re.finditer(
                    r"^(?!#)[^\n;{}]*?(\w+)\s*\([^;{}]*\)\s*\{(?:[^\n]*\}$|\n.*?^\})", text, re.S | re.M
                ):
                    name = match[1]
                    if name in ("TEST", "TEST_WITH", "SCENARIO", "SCENARIO_WITH"):
                        given = re.search(r"(?:TEST|SCENARIO)(?:_WITH)?\((\w+)", match[0])
                        name = given[1] if given else name
                    found[name] = match[0]
                for table in re.finditer(r"\b(\w+)\[\] = \{\n.*?^\};", text, re.S | re.M):
                    found[table[1]] = table[0]
                for name, body in found.items():
                    reached, queue = {name}, [body]
                    whole = []
                    while queue:
                        one = queue.pop()
                        whole.append(one)
                        for called in set(re.findall(r"\b(\w+)\b", one)) & set(found):
                            if called not in reached:
                                reached.add(called)
                                queue.append(found[called])
                    out.append("\n".join(whole))
    return out


def seen() -> set[tuple[str, str]]:
    """(function, error) that the fault loops must have seen."""
    pairs = (line.split() for line in SEEN.read_text().splitlines() if line and not line.startswith("#"))
    return {(name, error) for name, error in pairs}


def excuses() -> dict[tuple[str, str], str]:
    """(function, error) to the reason why no test provokes it; an error `*` means the function itself."""
    found = {}
    for line in EXCUSES.read_text().splitlines() if EXCUSES.exists() else []:
        if line and not line.startswith("#"):
            name, error, reason = line.split(None, 2)
            found[name, error] = reason
    return found


def main() -> int:
    wanted = promises()
    texts = [(set(re.findall(r"\bgt_\w+", t)), set(re.findall(r"\bE[A-Z0-9]{2,}\b", t))) for t in bodies()]
    excused, provoked = excuses(), seen()
    used: set[tuple[str, str]] = set()
    missing = []
    total = 0
    for name, errors in wanted.items():
        twins = {name, name.removesuffix("_until"), name + "_until"}
        total += 1
        if not any(name in names for names, _ in texts):
            if (name, "*") in excused:
                used.add((name, "*"))
            else:
                missing.append(f"{name}: no test calls it")
            continue
        for error in sorted(errors):
            total += 1
            if any(twins & names and error in named for names, named in texts):
                continue
            if any((twin, error) in provoked for twin in twins):
                continue
            key = next((k for k in ((name, error), ("*", error)) if k in excused), None)
            if key:
                used.add(key)
            else:
                missing.append(f"{name}: no test that calls it names -{error}")
    stale = [f"tools/covered.txt: {name} {error} is not needed" for name, error in excused if (name, error) not in used]
    if "--counts" not in sys.argv:
        for line in missing + stale:
            print(line)
    print(f"{len(wanted)} functions, {total} promises, {len(missing)} without a test, {len(excused)} excused")
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
