"""From the samples of a run to medians, ratios, verdicts and RESULTS.md."""

from __future__ import annotations

import platform
import statistics
import subprocess
from dataclasses import dataclass
from typing import Any

from . import quiet
from .build import ROOT
from .rows import ROWS, Row, Target

Samples = dict[str, list[float]]


def middle(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float]) -> str:
    """Half the distance between the quartiles, in per cent of the median: how far a turn usually lies from it."""
    if len(values) < 3:
        return "–"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    centre = middle(values)
    return f"±{(high - low) / 2 / centre * 100:.0f} %" if centre else "–"


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Turn by turn, so that both halves of a ratio saw the same machine."""
    return [one / other for one, other in zip(above, below) if other]


def number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


@dataclass
class Outcome:
    """What came out against one target; `met` is None when it could not be measured."""

    text: str
    reached: str = "not measured"
    met: bool | None = None


def verdict(target: Target, subjects: dict[str, Samples]) -> Outcome:
    ours = subjects.get(target.subject, {}).get(target.metric)
    outcome = Outcome(f"{target.subject}: {target.text()}")
    if not ours:
        return outcome
    if target.over is None:
        value = middle(ours)
    else:
        theirs = subjects.get(target.over, {}).get(target.metric)
        if not theirs:
            return outcome
        value = middle(ratios(ours, theirs))
    outcome.reached = f"{value:.3f}" if target.over else number(value)
    outcome.met = value >= target.limit if target.at_least else value <= target.limit
    return outcome


def machine() -> dict[str, str]:
    def output(*command: str) -> str:
        try:
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
        except OSError:
            return ""

    with open("/proc/cpuinfo", encoding="utf-8") as info:
        lines = [line.partition(":") for line in info]
    model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())
    cores = sum(1 for name, _, _ in lines if name.strip() == "processor")
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory = int(info.readline().split()[1]) // 1024 // 1024
    changed = output("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "machine": f"{model}, {cores} cores, {memory} GiB, {platform.machine()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "commit": output("git", "rev-parse", "--short=12", "HEAD") + (" with local changes" if changed else ""),
        "compilers": "; ".join(
            line
            for line in (
                output("rustc", "--version"),
                output("cc", "--version").split("\n")[0],
                output("go", "version"),
            )
            if line
        ),
    }


def row_lines(row: Row, record: dict[str, Any]) -> list[str]:
    """One row's table: every subject appears, also the ones that were skipped or failed."""
    subjects: dict[str, Samples] = record["subjects"]
    reasons: dict[str, str] = record["reasons"]
    head = ["subject", *(metric.replace("_", " ") for metric in row.metrics), "spread"]
    if row.baseline:
        head.append(f"ratio to {row.baseline}")
    lines = [f"### {row.title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    main = row.metrics[0]
    base = subjects.get(row.baseline or "", {}).get(main)
    for subject in row.subjects:
        found = subjects.get(subject, {})
        if not found.get(main):
            reason = reasons.get(subject, "not run")
            lines.append(f"| {subject} | {reason} |" + " |" * (len(head) - 2))
            continue
        cells = [subject]
        for metric in row.metrics:
            reason = reasons.get(f"{subject} {metric}", "–")
            cells.append(number(middle(found[metric])) if found.get(metric) else reason)
        cells.append(spread(found[main]))
        if row.baseline:
            cells.append(f"{middle(ratios(found[main], base)):.2f}" if base else "–")
        lines.append("| " + " | ".join(cells) + " |")
    if row.targets:
        lines += ["", "| target | reached | met |", "|---|---|---|"]
        for target in row.targets:
            outcome = verdict(target, subjects)
            met = {True: "yes", False: "**no**", None: "–"}[outcome.met]
            lines.append(f"| {outcome.text} | {outcome.reached} | {met} |")
    disturbed = sum(1 for others in record["others"] if others > quiet.LIMIT)
    if disturbed:
        lines += ["", f"In {disturbed} of {len(record['others'])} turns another program used part of the cores."]
    if row.note:
        lines += ["", row.note]
    if "origin" in record:
        lines += ["", f"Measured by a run of its own: {record['origin']}."]
    return [*lines, ""]


def together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Several runs as one: the first, with the rows that later ones have; these say which commit they measured, and when."""
    whole = {"facts": runs[0]["facts"], "rows": dict(runs[0]["rows"])}
    for run in runs[1:]:
        origin = f"commit {run['facts']['commit']}, {run['facts']['date']}"
        whole["rows"] |= {name: {**record, "origin": origin} for name, record in run["rows"].items()}
    return whole


def render(result: dict[str, Any]) -> str:
    facts = result["facts"]
    lines = [
        "# Measured",
        "",
        "Written by `bench/run.py`; do not edit. Absolute figures belong to this machine: what counts is a ratio",
        "between two programs that ran in turn, and the ratios below are medians over these turns.",
        "",
    ]
    lines += [f"* {name}: {value}" for name, value in facts.items()]
    lines += ["", *summary_lines(result), ""]
    for row in ROWS:
        if row.name in result["rows"]:
            lines += row_lines(row, result["rows"][row.name])
        else:
            lines += [f"### {row.title}", "", "Not asked for in this run.", ""]
    return "\n".join(lines).rstrip() + "\n"


def summary_lines(result: dict[str, Any]) -> list[str]:
    """The count of targets by outcome, and each that was missed, first of all."""
    outcomes = [
        (row, verdict(target, result["rows"][row.name]["subjects"]))
        for row in ROWS
        if row.name in result["rows"]
        for target in row.targets
    ]
    missed = [(row, outcome) for row, outcome in outcomes if outcome.met is False]
    unknown = [outcome for _, outcome in outcomes if outcome.met is None]
    met = len(outcomes) - len(missed) - len(unknown)
    lines = [f"Targets met: {met} of {len(outcomes)}; missed: {len(missed)}; not measured: {len(unknown)}."]
    lines += [f"* missed in `{row.name}`: {outcome.text} (reached {outcome.reached})" for row, outcome in missed]
    return lines
