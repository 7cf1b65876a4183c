"""What a row is: its subjects, its metrics, and the figures that have to be reached."""

from __future__ import annotations

from dataclasses import dataclass, field

BASE = "context"
RAW = "raw epoll"
OURS = "greenrt"
STATIC = "greenrt (static)"
OURS_PYTHON = "greenrt (Python)"

MEMORY = ("bytes_per_task", "rss_per_task", "pte_per_task")


@dataclass
class Target:
    """`subject`'s `metric`, over that of `over` if given, must be at most `limit`, or at least."""

    metric: str
    limit: float
    over: str | None = None
    at_least: bool = False
    subject: str = OURS

    def text(self) -> str:
        sign = "≥" if self.at_least else "≤"
        unit = f" × {self.over}" if self.over else ""
        return f"{self.metric.replace('_', ' ')} {sign} {self.limit:g}{unit}"


@dataclass
class Row:
    name: str
    title: str
    metrics: tuple[str, ...]
    subjects: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    baseline: str | None = None
    rounds: int = 7
    note: str = ""
    size: int = 0
    contended: bool = field(default=False)
    # The programs of the row need both cores.
    both_cores: bool = field(default=False)
    # Rounds of work that an echo server does for each request.
    work: int = 0

    @property
    def served(self) -> bool:
        """Whether the subjects are servers, under the load generator."""
        return self.name.removeprefix("py-").startswith(("echo-", "http-", "workers-", "ws-", "wsgi-"))


def ahead(metric: str, peers: tuple[str, ...], subject: str = OURS, at_least: bool = False) -> tuple[Target, ...]:
    """The peers have to be behind: the ratio to each is under (or over) 1."""
    return tuple(Target(metric, 1.0, peer, at_least, subject) for peer in peers)


def memory_figures(found: dict[str, float]) -> dict[str, float]:
    rss, pte = found["rss_per_task"], found["pte_per_task"]
    return {"bytes_per_task": rss + pte, "rss_per_task": rss, "pte_per_task": pte}
