"""Writes docs/EVENTLET-SUITE.md from what test_eventlet_suite.py has kept in build/eventlet-suite."""

from __future__ import annotations

import json
from pathlib import Path

from suite_failures import BY_REASON, FAILS, MAY_FAIL

ROOT = Path(__file__).resolve().parents[4]
VERSION = "0.41.3"


def row(parts: list[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def counts(outcome: dict[str, list[str]] | None) -> list[int]:
    """Run, passed, failed, skipped."""
    if outcome is None:
        return [0, 0, 0, 0]
    passed, failed, skipped = (len(outcome[kind]) for kind in ("passed", "failed", "skipped"))
    return [passed + failed, passed, failed, skipped]


def table(kept: dict[str, dict[str, dict[str, list[str]]]]) -> list[str]:
    """One line per file, and the sums."""
    versions = sorted(kept, key=lambda version: int(version.split(".")[1]))
    head = ["file"]
    for version in versions:
        head += [f"{version}: run", "passed", "failed", "skipped"]
    lines = [row(head), row(["---", *["--:"] * (len(head) - 1)])]
    sums = [0] * (4 * len(versions))
    for file in sorted({file for files in kept.values() for file in files}):
        numbers = [number for version in versions for number in counts(kept[version].get(file))]
        sums = [total + number for total, number in zip(sums, numbers)]
        lines.append(row([f"`{file}`", *map(str, numbers)]))
    lines.append(row(["**all**", *(f"**{total}**" for total in sums)]))
    return lines


def main() -> None:
    kept: dict[str, dict[str, dict[str, list[str]]]] = {}
    for path in (ROOT / "build" / "eventlet-suite").glob("3.*/*.json"):
        kept.setdefault(path.parent.name, {})[path.stem] = json.loads(path.read_text())
    lines = [
        "# eventlet's own tests, on the drop-in",
        "",
        f"`make test-eventlet-suite PYTHON=...` fetches the tests of eventlet {VERSION} from PyPI, and runs each file of them with the drop-in",
        "as eventlet. Programs that these tests start (`tests/isolated`) count with the test that starts them. The list of known",
        "failures is strict both ways. What a program sees of each is in [EVENTLET.md](EVENTLET.md). Written by",
        "`bindings/python/tests/eventlet_suite/table.py`; do not edit.",
        "",
        *table(kept),
        "",
        "Skipped by the tests themselves: databases and drivers that are not there, IPv6, other hubs.",
        "",
        f"## The {len(FAILS)} that fail, by reason",
        "",
    ]
    for reason, tests in BY_REASON.items():
        lines += [f"**{reason}** ({len(tests)})", "", *(f"- `{test}`" for test in tests), ""]
    lines += ["## Those that depend on the machine", "", row(["test", "what must be"]), row(["---", "---"])]
    lines += [row([f"`{test}`", reason]) for test, reason in MAY_FAIL.items()]
    (ROOT / "docs" / "EVENTLET-SUITE.md").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
