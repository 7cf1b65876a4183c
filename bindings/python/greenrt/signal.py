"""Signals that tasks receive, as from a queue, instead of handlers that run in the middle of the root task.

    with Signals(signal.SIGTERM, signal.SIGHUP) as signals:
        for got in signals: ...

Handlers by `signal.signal` keep working beside it, in the root task; a signal has one or the other.
"""

from __future__ import annotations

import signal as _signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from greenrt._core import hub
from greenrt._ffi import figures

__all__ = ["Signal", "Signals"]


@dataclass(frozen=True)
class Signal:
    """One signal that came."""

    number: int
    code: int
    """Where it comes from, as siginfo_t's si_code has it."""
    pid: int
    """The process that sent it, if one did."""
    uid: int
    value: int
    """What sigqueue() gave along."""
    lost: int
    """For how many more of its number it stands: 128 wait, of more only the count is kept."""

    @property
    def name(self) -> str:
        """SIGTERM, ..."""
        try:
            return _signal.Signals(self.number).name
        except ValueError:
            return f"signal {self.number}"


class Signals:
    """A channel of signals: caught from now on, for any task to receive. An iterator without end, and a context manager that closes.

    OSError (EBUSY) when one of them has a handler: take that away by `signal.signal(number, signal.SIG_DFL)`, also the one that Python
    has for SIGINT. EINVAL for those that cannot be caught, and for faults.
    """

    def __init__(self, *numbers: int) -> None:
        hub.install()
        self._channel: Optional[int] = None
        self._channel = figures.signals_new(numbers)

    def _open(self) -> int:
        if self._channel is None:
            raise ValueError("the channel of signals is closed")
        return self._channel

    def receive(self, timeout: Optional[float] = None) -> Signal:
        """Waits for a signal; TimeoutError after so many seconds."""
        deadline = figures.NEVER if timeout is None else time.monotonic_ns() + round(max(timeout, 0) * 1e9)
        return Signal(*figures.signals_receive(self._open(), deadline))

    def close(self) -> None:
        """The signals have their actions of before. OSError (EBUSY) while a task waits for one."""
        channel = self._channel
        if channel is not None:
            figures.signals_free(channel)
            self._channel = None

    def __iter__(self) -> Iterator[Signal]:
        return self

    def __next__(self) -> Signal:
        return self.receive()

    def __enter__(self) -> Signals:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()
