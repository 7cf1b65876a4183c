"""The lock that eventlet gives for threading.Lock."""

from __future__ import annotations

from typing import Any

from greenrt._ffi import native

from .semaphore import Semaphore

__all__ = ["Lock"]


class Lock(Semaphore):
    """A semaphore of one unit, whose release() raises RuntimeError when it is not held."""

    def release(self, blocking: bool = True) -> Any:  # type: ignore[override]
        """Hands the lock to whoever has waited longest."""
        if self.value > 0:
            raise RuntimeError("release unlocked lock")
        return super().release(blocking)

    def _at_fork_reinit(self) -> None:
        native.Semaphore.__init__(self, 1)
