"""Who is there, and where is everybody? Tasks with the stacks they are parked in."""

from __future__ import annotations

import gc
import sys
import traceback
from typing import Any, Optional, TextIO

from greenrt._core.task import Task, current
from greenrt._ffi import native

__all__ = ["format_tasks", "print_tasks", "tasks"]


def tasks(all_threads: bool = False) -> list[Task[Any]]:
    """The tasks of this OS thread that are not done, the root among them; with all_threads those of every OS thread.

    For the latter the collector is asked for every object of the process: some milliseconds for each 100,000 of them. Of other OS
    threads' roots, those are missing that have never asked for their Task.
    """
    root_or_me = current()
    found = native.tasks()
    if root_or_me not in found:
        found.insert(0, root_or_me)
    if all_threads:
        here = set(found)
        others = (thing for thing in gc.get_objects() if isinstance(thing, Task) and thing not in here)
        # One without an ident was never given to a thread, or is done.
        found += sorted((task for task in others if not task.done and task.ident is not None), key=lambda task: task.id)
    return found


def format_tasks(all_threads: bool = False) -> str:
    """A traceback of every task, the most recent call last; see tasks() for all_threads, which adds the OS threads that it misses."""
    frames = sys._current_frames()
    unseen = dict(frames) if all_threads else {}
    me, mine = current(), set(tasks())
    parts = []
    for task in tasks(all_threads):
        state = "running" if task is me else "parked" if task in mine else "on another OS thread"
        parts.append(f"Task {task.name} ({state}):\n")
        frame = sys._getframe(1) if task is me else frames.get(task.ident or 0)
        unseen.pop(task.ident or 0, None)
        if frame is None:
            parts.append("  no Python frame\n")
        else:
            parts += traceback.format_stack(frame)
        parts.append("\n")
    for ident, frame in unseen.items():
        parts += [f"OS thread {ident} (its root never asked for its Task):\n", *traceback.format_stack(frame), "\n"]
    return "".join(parts)


def print_tasks(file: Optional[TextIO] = None, all_threads: bool = False) -> None:
    """Writes format_tasks(all_threads) to a file, stderr by default."""
    stream = sys.stderr if file is None else file
    stream.write(format_tasks(all_threads))
    stream.flush()
