"""What the server tells people, on stderr. That nobody listens there any more is no reason to stop serving."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["Nowhere", "flush", "have_streams", "say"]


def say(text: str) -> None:
    """A line, if it can be had."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def flush() -> None:
    """Before a fork, so that nothing is written twice."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def have_streams() -> None:
    """Puts /dev/null in the place of standard streams that are closed.

    Their descriptors would be given to connections, and who writes to such a stream would write to a client.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest that is free: that one, unless the runtime has it.
            found = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(found, found == number)
            setattr(sys, name, open(found, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - until the end


class Nowhere:
    """`wsgi.errors` where there is no stderr."""

    def write(self, text: str) -> int:
        """Drops it."""
        return len(text)

    def writelines(self, lines: object) -> None:
        """Drops them."""

    def flush(self) -> None:
        """Nothing to do."""
