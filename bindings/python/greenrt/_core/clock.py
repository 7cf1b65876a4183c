"""What is left of a timeout."""

from __future__ import annotations

from time import monotonic
from typing import Optional

__all__ = ["Countdown"]


class Countdown:
    """Called, it says how many of `timeout` seconds are left, 0 when none; None for no timeout. ValueError for a negative one."""

    __slots__ = ("_until",)

    def __init__(self, timeout: Optional[float]) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        self._until = None if timeout is None else monotonic() + timeout

    def __call__(self) -> Optional[float]:
        return None if self._until is None else max(0.0, self._until - monotonic())

    @property
    def over(self) -> bool:
        """Is nothing left?"""
        return self._until is not None and monotonic() >= self._until
