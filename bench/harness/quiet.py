"""Turns on a shared machine: waits for a quiet moment, and sees afterwards whether another program took part of the
cores.

What others used is the busy time of the cores in /proc/stat without the CPU time of our own processes. A disturbed turn
is taken again; when none was quiet, the least disturbed one counts, and the report says how many such turns there were.
All this waiting and repeating has a budget, so that a machine that is never quiet gives figures too.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable

# The part of a core that others may use before a turn counts as disturbed: twice what an idle machine's own work takes.
LIMIT = 0.08
# The window that decides whether the machine is quiet.
WINDOW_SECONDS = 0.1

TICK = os.sysconf("SC_CLK_TCK")


def busy(cores: set[int]) -> float:
    """Seconds that the cores have worked, or were kept from it by a hypervisor, since the start."""
    names = {f"cpu{number}" for number in cores}
    ticks = 0
    with open("/proc/stat", encoding="ascii") as stat:
        for line in stat:
            words = line.split()
            if words[0] in names:
                user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words[1:9])
                ticks += user + nice + system + irq + softirq + steal
    return ticks / TICK


def own() -> float:
    """CPU seconds of this process and of all children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


class Patience:
    """The seconds that one row may spend on waiting for quiet moments and on repeated turns."""

    def __init__(self, seconds: float):
        self.left = seconds

    def spend(self, began: float) -> None:
        self.left -= time.monotonic() - began


def wait_for_quiet(cores: set[int], patience: Patience) -> None:
    while patience.left > 0:
        began, before = time.monotonic(), busy(cores)
        time.sleep(WINDOW_SECONDS)
        patience.spend(began)
        # One tick of work is less than the accounting can tell from none.
        if busy(cores) - before <= 1.5 / TICK:
            return


def undisturbed(
    turn: Callable[[], dict[str, float]], cores: set[int], patience: Patience
) -> tuple[dict[str, float], float]:
    """The figures of the quietest turn that patience allowed, and the part of a core that others used in it."""
    best: tuple[dict[str, float], float] | None = None
    while best is None or (best[1] > LIMIT and patience.left > 0):
        wait_for_quiet(cores, patience)
        began, work, ours = time.monotonic(), busy(cores), own()
        figures = turn()
        others = max(0.0, (busy(cores) - work) - (own() - ours)) / (time.monotonic() - began)
        if best is not None:
            patience.spend(began)
        if best is None or others < best[1]:
            best = (figures, others)
    return best
