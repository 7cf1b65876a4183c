"""Hubs: greenrt has one way to wait, and shows it under the names of eventlet's hubs.

trampoline(fd, read=True)   waits for a descriptor          get_hub()   timers and listeners, see hubs.hub.BaseHub
"""

from __future__ import annotations

import importlib
import inspect
import os
import threading
from typing import Any, Optional

from .. import timeout as _timeout
from .._task import HubGreen, getcurrent, note_root
from . import hub as _hub
from .hub import BaseHub, IOClosed, wait_fd

__all__ = [
    "HubError",
    "IOClosed",
    "get_default_hub",
    "get_hub",
    "notify_close",
    "notify_opened",
    "trampoline",
    "use_hub",
]

builtin_hub_names = ("epolls", "kqueue", "poll", "selects")

# OS thread -> its hub, and the kind that was asked for.
_hubs: dict[int, BaseHub] = {}
_kinds: dict[int, Any] = {}


class HubError(Exception):
    """A hub that cannot be had."""


def __getattr__(name: str) -> Any:
    if name == "builtin_hub_modules":
        return tuple(importlib.import_module(f"{__name__}.{hub}") for hub in builtin_hub_names)
    if name in (*builtin_hub_names, "asyncio", "pyevent", "timer"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_default_hub() -> Any:
    """The module of the hub that is used when nobody asks for another one."""
    for name in builtin_hub_names:
        module = importlib.import_module(f"{__name__}.{name}")
        if module.is_available():
            return module
    raise HubError(f"none of these hubs is available: {', '.join(builtin_hub_names)}")


def use_hub(mod: Any = None) -> None:
    """Begins anew with a hub of this name: a module, a class, 'poll', 'package.module:Class', or None for EVENTLET_HUB or the default.

    It changes the class of get_hub(), and forgets timers and listeners; waiting is greenrt's, whatever the name.
    """
    if mod is None:
        mod = os.environ.get("EVENTLET_HUB") or get_default_hub()
    name = ""
    if isinstance(mod, str):
        if not mod.strip():
            raise RuntimeError("Need to specify a hub")
        if "." in mod or ":" in mod:
            module, _, name = mod.strip().partition(":")
        else:
            module = f"{__name__}.{mod}"
        mod = importlib.import_module(module)
    if hasattr(mod, "is_available") and not mod.is_available():
        raise HubError(f"the hub {getattr(mod, '__name__', mod)!r} is not available on this system")
    kind = mod if inspect.isclass(mod) else getattr(mod, name or "Hub")
    thread = threading.get_native_id()
    _kinds[thread] = kind
    old = _hubs.pop(thread, None)
    if old is not None:
        old.abort()


def get_hub() -> Any:
    """The hub of this OS thread."""
    thread = threading.get_native_id()
    try:
        return _hubs[thread]
    except KeyError:
        if thread not in _kinds:
            use_hub()
        note_root()
        made = _hubs[thread] = _kinds[thread]()
        return made


def _forget() -> None:
    _hubs.clear()
    _kinds.clear()


os.register_at_fork(after_in_child=_forget)


def trampoline(
    fd: Any,
    read: Any = None,
    write: Any = None,
    timeout: Optional[float] = None,
    timeout_exc: Any = _timeout.Timeout,
    mark_as_closed: Any = None,
) -> None:
    """Waits until a socket or descriptor can be read, or written. Raises timeout_exc after timeout seconds; IOClosed when it was
    closed, by notify_close() and notify_opened() too. RuntimeError for both at once, for neither, and in the hub."""
    hub = get_hub()
    current = getcurrent()
    if isinstance(current, HubGreen):
        raise RuntimeError("do not call blocking functions from the mainloop")
    if bool(read) == bool(write):
        raise RuntimeError("trampoline waits for reading or for writing, one of them")
    fileno = fd if isinstance(fd, int) else fd.fileno()
    evtype = _hub.READ if read else _hub.WRITE
    listener = hub._note(hub.lclass(evtype, fileno, current.switch, current.throw, mark_as_closed))
    try:
        ready = wait_fd(fileno, evtype, timeout)
    finally:
        hub.remove(listener)
    if not ready:
        raise timeout_exc


def notify_close(fd: int) -> None:
    """A descriptor was closed: who waits for it by trampoline() gets IOClosed."""
    get_hub().notify_close(fd)


def notify_opened(fd: int) -> None:
    """A descriptor was just opened: who waits for one of that number by trampoline() waits for what is gone, and gets IOClosed."""
    get_hub().mark_as_reopened(fd)
