"""The name of eventlet's hub on poll. greenrt waits in its own way."""

import select

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """Does this system have poll?"""
    return hasattr(select, "poll")


class Hub(BaseHub):
    """See BaseHub."""
