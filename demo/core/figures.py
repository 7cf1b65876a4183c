"""What both drivers of the demo share: figures from /proc, percentiles, and the progress reports that run.py reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
from collections.abc import Callable

# How often a driver reports, and the longest it waits for one answer before it counts it as lost.
REPORT_EVERY = 0.25
ANSWER_WITHIN = 90.0


class Server:
    """A server process, seen from outside."""

    def __init__(self, pid: int):
        self.pid = pid
        self.threads = 0
        self.at_start = self.memory()

    def _status(self) -> dict[str, int]:
        found = {}
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
                for line in status:
                    name, _, value = line.partition(":")
                    if name in ("VmRSS", "VmPTE", "Threads"):
                        found[name] = int(value.split()[0])
        except OSError:
            pass
        return found

    def memory(self) -> int:
        """Resident bytes and page-table bytes."""
        found = self._status()
        return (found.get("VmRSS", 0) + found.get("VmPTE", 0)) * 1024

    def watch(self) -> None:
        """Remembers the most OS threads ever seen."""
        self.threads = max(self.threads, self._status().get("Threads", 0))

    def memory_each(self, connections: int) -> float:
        return max(0, self.memory() - self.at_start) / max(1, connections)


class Latencies:
    """Counts by tenth of a millisecond below 10 s: exact enough for p50 and p99, and small."""

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0

    def add(self, seconds: float) -> None:
        slot = int(seconds * 10_000)
        self.buckets[slot] = self.buckets.get(slot, 0) + 1
        self.count += 1

    def percentile(self, part: float) -> float:
        """In milliseconds."""
        left = self.count * part
        for slot in sorted(self.buckets):
            left -= self.buckets[slot]
            if left <= 0:
                return (slot + 1) / 10
        return 0.0


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def say_final(server: Server, latencies: Latencies, **facts: object) -> None:
    """The last report, which run.py makes its table of."""
    say(
        final=True,
        messages=latencies.count,
        p50=latencies.percentile(0.5),
        p99=latencies.percentile(0.99),
        threads=server.threads,
        **facts,
    )


async def report_until(done: asyncio.Event, progress: Callable[[], dict[str, object]]) -> None:
    while not done.is_set():
        say(**progress())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(done.wait(), REPORT_EVERY)


def raise_descriptor_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
