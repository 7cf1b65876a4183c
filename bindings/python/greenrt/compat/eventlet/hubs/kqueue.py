"""The name of eventlet's hub on kqueue. greenrt waits in its own way."""

import select

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """Does this system have kqueue?"""
    return hasattr(select, "kqueue")


class Hub(BaseHub):
    """See BaseHub."""
