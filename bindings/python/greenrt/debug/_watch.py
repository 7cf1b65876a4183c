"""The watchdog: a task that holds the OS thread for too long is reported while it does."""

from __future__ import annotations

import atexit
import contextlib
import linecache
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from greenrt._ffi import native

from . import _native

__all__ = ["Hold", "unwatch", "watch"]


@dataclass(frozen=True)
class Hold:
    """A task that has not switched for too long."""

    ident: int
    """The task's ident, 0 when its OS thread did not say."""
    held: float
    """For how many seconds it has held the OS thread, at least."""
    ran: float
    """For how many of them it was on a processor: nearly all in a loop, none in a call that blocks."""
    count: int
    """1 for the first report of this hold; the next ones come at twice, four times, eight times the limit."""
    thread: int
    """The OS thread, as the system numbers it."""
    gil: bool
    """Whether it held the GIL at that moment: then no other Python thread could run either."""
    stack: tuple[tuple[str, int, str], ...]
    """File, line and function of its Python calls, the most recent last."""
    text: str
    """All of this as lines, the C calls too."""

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence."""
        if self.ran > self.held / 2:
            return "it computes: call greenrt.sleep(0) now and then, greenrt.offload() it, or turn on greenrt.preempt()"
        if self.gil:
            return "a C call waits and keeps the GIL: nothing else in this process can run Python meanwhile"
        return "a C call waits by itself: greenrt.offload() it, and see greenrt.debug.blockers()"

    def __str__(self) -> str:
        lines = [
            f"task {self.ident} has held OS thread {self.thread} for {self.held:.3f} s, {self.ran:.3f} s on a processor\n"
        ]
        for file, number, function in self.stack:
            lines.append(f'  File "{file}", line {number}, in {function}\n')
            source = linecache.getline(file, number).strip()
            if source:
                lines.append(f"    {source}\n")
        return "".join([*lines, f"  {self.advice}\n"])


_CALL = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


def _hold(told: tuple[int, int, int, int, int, str, str]) -> Hold:
    task, held, ran, count, thread, host, text = told
    stack = tuple((file, int(line), function) for file, line, function in reversed(_CALL.findall(host)))
    return Hold(task, held / 1e9, ran / 1e9, count, thread, "holding the GIL" in host, stack, text)


def _serve(watch: int, report: Callable[[Hold], object]) -> None:
    """On an OS thread of its own: hands each report on."""
    while (told := native.watch_next(watch)) is not None:
        try:
            report(_hold(told))
        except BaseException:
            if sys.stderr is not None:
                traceback.print_exc()


def watch(seconds: float = 0.1, report: Optional[Callable[[Hold], object]] = None) -> None:
    """Starts the watchdog: it reports each task that has not switched for so many seconds (0.001 to a day), on any OS thread.

    Without `report`, on stderr, from outside of Python: also when a C call blocks with the GIL held. `report` is called with a Hold on
    an OS thread of its own as soon as that gets the GIL: while the task computes, a moment later; when the GIL is held, afterwards.

    One watchdog for the process: OSError when one runs already. A forked child has none.
    """
    if not hasattr(seconds, "__float__"):
        raise TypeError(f"seconds is a number, not {type(seconds).__name__}")
    if report is not None and not callable(report):
        raise TypeError(f"report is called with each Hold, and {report!r} cannot be called")
    _native.trace()
    number = native.watch_start(round(seconds * 1e9), report is not None)
    if report is not None:
        native.patch_original("_thread.start_new_thread")(_serve, (number, report))


def unwatch() -> None:
    """Stops the watchdog. Nothing happens when none runs."""
    with contextlib.suppress(ProcessLookupError):
        native.watch_stop()


atexit.register(unwatch)
