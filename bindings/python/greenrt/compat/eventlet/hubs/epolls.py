"""The name of eventlet's hub on epoll. greenrt waits in its own way."""

import select

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """Does this system have epoll?"""
    return hasattr(select, "epoll")


class Hub(BaseHub):
    """See BaseHub."""
