"""Who is there, and where is everybody? The tasks of this OS thread with the stacks they are parked in."""

from __future__ import annotations

import sys
import traceback
from typing import Any, Optional, TextIO

from greenrt._core.task import Task, current
from greenrt._ffi import native

__all__ = ["format_tasks", "print_tasks", "tasks"]


def tasks() -> list[Task[Any]]:
    """The tasks of this OS thread that are not done, the root among them."""
    root_or_me = current()
    found = native.tasks()
    return found if root_or_me in found else [root_or_me, *found]


def format_tasks() -> str:
    """A traceback of every task, the most recent call last."""
    frames = sys._current_frames()
    me = current()
    parts = []
    for task in tasks():
        state = "running" if task is me else "parked"
        parts.append(f"Task {task.name} ({state}):\n")
        frame = sys._getframe(1) if task is me else frames.get(task.ident or 0)
        if frame is None:
            parts.append("  no Python frame\n")
        else:
            parts += traceback.format_stack(frame)
        parts.append("\n")
    return "".join(parts)


def print_tasks(file: Optional[TextIO] = None) -> None:
    """Writes format_tasks() to a file, stderr by default."""
    stream = sys.stderr if file is None else file
    stream.write(format_tasks())
    stream.flush()
