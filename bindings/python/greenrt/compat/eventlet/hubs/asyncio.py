"""The name of eventlet's hub on asyncio. greenrt waits in its own way; asyncio runs beside it, see eventlet.asyncio."""

from .hub import BaseHub

__all__ = ["Hub", "is_available"]


def is_available() -> bool:
    """asyncio is always there."""
    return True


class Hub(BaseHub):
    """See BaseHub."""
