"""eventlet's names on greenrt: docs/EVENTLET.md says what is the same and what differs.

import greenrt; greenrt.install_as_eventlet()     then, anywhere: import eventlet
import eventlet; eventlet.monkey_patch()
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from greenrt import __version__ as _greenrt

from . import event, greenpool, greenthread, hubs, patcher, queue, semaphore, support, timeout
from ._task import getcurrent
from .event import Event
from .greenpool import GreenPile, GreenPool
from .greenthread import kill, sleep, spawn, spawn_after, spawn_n
from .patcher import import_patched, monkey_patch
from .queue import Queue
from .semaphore import BoundedSemaphore, CappedSemaphore, Semaphore
from .support import greenlets as greenlet
from .timeout import Timeout, is_timeout, with_timeout, wrap_is_timeout

# A version that checks for eventlet's accept, and that says whose it is.
__version__ = f"0.41.3.0+greenrt.{_greenrt}"


class EventletDeprecationWarning(DeprecationWarning):
    """What eventlet warns with. The drop-in never does."""


# Imported when they are asked for, as they stand on sockets.
_OF_CONVENIENCE = ("StopServe", "connect", "listen", "serve", "wrap_ssl")
_DEPRECATED = {
    "TimeoutError": Timeout,
    "exc_after": greenthread.exc_after,
    "call_after_global": greenthread.call_after_global,
}
__all__ = [
    "BoundedSemaphore",
    "CappedSemaphore",
    "Event",
    "EventletDeprecationWarning",
    "GreenPile",
    "GreenPool",
    "Queue",
    "Semaphore",
    "Timeout",
    "__version__",
    "event",
    "getcurrent",
    "greenlet",
    "greenpool",
    "greenthread",
    "hubs",
    "import_patched",
    "is_timeout",
    "kill",
    "monkey_patch",
    "patcher",
    "queue",
    "semaphore",
    "sleep",
    "spawn",
    "spawn_after",
    "spawn_n",
    "support",
    "timeout",
    "with_timeout",
    "wrap_is_timeout",
]


def __getattr__(name: str) -> Any:
    if name in _OF_CONVENIENCE:
        return getattr(import_module(f"{__name__}.convenience"), name)
    if name in _DEPRECATED:
        return support.wrap_deprecated(name, getattr(_DEPRECATED[name], "__name__", name))(_DEPRECATED[name])
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'eventlet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_OF_CONVENIENCE, *_DEPRECATED})
