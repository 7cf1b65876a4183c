"""The name of eventlet's hub on select. greenrt waits in its own way."""

import select

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """Does this system have select?"""
    return hasattr(select, "select")


class Hub(BaseHub):
    """See BaseHub."""
