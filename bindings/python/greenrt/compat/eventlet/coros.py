"""A counter that is waited for: what is left of an old module of eventlet."""

from __future__ import annotations

from .event import Event

__all__ = ["metaphore"]


class metaphore:
    """A counter that begins at 0; wait() waits while it is above."""

    def __init__(self) -> None:
        self.counter = 0
        self.event = Event()
        self.event.send()

    def inc(self, by: int = 1) -> None:
        """Counts up: from now on wait() waits."""
        assert by > 0
        self.counter += by
        if self.counter == by:
            self.event.reset()

    def dec(self, by: int = 1) -> None:
        """Counts down, to 0 at most: then who waits goes on."""
        assert by > 0
        if self.counter:
            self.counter = max(0, self.counter - by)
            if not self.counter:
                self.event.send()

    def wait(self) -> None:
        """Waits until the counter is 0."""
        self.event.wait()
