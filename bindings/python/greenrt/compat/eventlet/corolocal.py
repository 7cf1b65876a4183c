"""Attributes of which each greenthread has its own."""

import threading

from ._task import getcurrent

__all__ = ["get_ident", "local"]


def get_ident() -> int:
    """A number of the running greenthread; its id()."""
    return id(getcurrent())


class local(threading.local):
    """threading.local: a greenthread is a thread to it, patched or not."""
