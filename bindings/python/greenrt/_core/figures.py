"""What the scheduler counts."""

from __future__ import annotations

from greenrt._ffi import figures, native

from . import hub

__all__ = ["statistics"]


def statistics() -> dict[str, int]:
    """The figures of this OS thread's scheduler: tasks live, parked, ready and spawned, switches, polls, timers, stacks, ...

    `preemptions` counts how often greenrt.preempt() made a task give way. gt_stats_t in greenrt.h says what each of the others is.
    """
    hub.install()
    return {**figures.statistics(), "preemptions": native.preempt_state()[1]}
