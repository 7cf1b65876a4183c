"""Writes docs/STDLIB.md from what test_stdlib.py has kept in build/stdlib."""

from __future__ import annotations

import json
from pathlib import Path

from known_failures import FAILS, LEFT_OUT, MAIN_THREAD, MODULES

ROOT = Path(__file__).resolve().parents[4]


def cells(outcome: dict[str, object] | None) -> list[str]:
    """Ran, passed, failed as known, skipped."""
    if outcome is None:
        return ["-", "-", "-", "-"]
    ran, skipped, failed = outcome["ran"], outcome["skipped"], outcome["failed"]
    assert isinstance(ran, int) and isinstance(skipped, int) and isinstance(failed, list)
    return [str(ran), str(ran - skipped - len(failed)), str(len(failed)), str(skipped)]


def row(parts: list[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def table(kept: dict[str, dict[str, dict[str, object]]]) -> list[str]:
    """One line per module, and the sums."""
    versions = sorted(kept, key=lambda version: int(version.split(".")[1]))
    head = ["module"]
    for version in versions:
        head += [f"{version} ran", "passed", "known failing", "skipped"]
    lines = [row(head), row(["---"] * len(head))]
    sums = [0] * (4 * len(versions))
    for module in MODULES:
        parts = [part for version in versions for part in cells(kept[version].get(module))]
        sums = [total + (int(part) if part != "-" else 0) for total, part in zip(sums, parts)]
        lines.append(row([module, *parts]))
    lines.append(row(["**all**", *map(str, sums)]))
    return lines


def share(version: str, outcomes: dict[str, dict[str, object]]) -> str:
    """How many of those that were not skipped pass."""
    ran, passed = 0, 0
    for outcome in outcomes.values():
        _, ok, failed, _ = map(int, cells(outcome))
        ran, passed = ran + ok + failed, passed + ok
    return f"on {version} {100 * passed / ran:.2f} % of {ran} pass"


def main() -> None:
    kept = {path.stem: json.loads(path.read_text()) for path in (ROOT / "build" / "stdlib").glob("3.*.json")}
    lines = [
        "# CPython's own tests, patched",
        "",
        "`make test-stdlib PYTHON=...` runs these modules of CPython's `test` package with everything patched, each test in a task of",
        "its own. The list of known failures is strict both ways. Written by `bindings/python/tests/stdlib/table.py`; do not edit.",
        "",
        *table(kept),
        "",
        "Of those that were not skipped: "
        + "; ".join(share(version, outcomes) for version, outcomes in sorted(kept.items()))
        + ".",
        "",
        "`-`: this interpreter has no such module, or has it in parts. An installed 3.11.7 lacks `test_concurrent_futures` and",
        "`test_multiprocessing_fork`; those of Debian's `libpython3.11-testsuite` ran. Skipped: by CPython's tests themselves (no IPv6, no such",
        "system, too little privilege, a resource that was not asked for).",
        "",
        "## Known failures",
        "",
        "| test | reason |",
        "|---|---|",
        *(row([f"`{test}`", reason]) for test, reason in sorted(FAILS.items())),
        "",
        "## Not run",
        "",
        "They would not come to an end.",
        "",
        "| tests that begin with | reason |",
        "|---|---|",
        *(row([f"`{test}`", reason]) for test, reason in sorted(LEFT_OUT.items())),
        "",
        "## In the root task",
        "",
        "Handlers of signals can be set, and raise, in the main thread only: "
        + ", ".join(f"`{p}`" for p in MAIN_THREAD)
        + ".",
        "",
    ]
    (ROOT / "docs" / "STDLIB.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
