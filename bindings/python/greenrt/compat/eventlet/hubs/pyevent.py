"""The name of eventlet's hub on libevent, which eventlet itself has no more."""

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """No."""
    return False


class Hub(BaseHub):
    """See BaseHub."""
