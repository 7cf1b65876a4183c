"""GreenSocket, and what programs that handle descriptors themselves ask for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
from typing import Any, Optional
from weakref import WeakKeyDictionary

from greenrt import monkey
from greenrt.compat.eventlet.hubs import IOClosed, notify_close, notify_opened, trampoline

__all__ = [
    "CONNECT_ERR",
    "CONNECT_SUCCESS",
    "GreenSocket",
    "IOClosed",
    "SOCKET_BLOCKING",
    "SOCKET_CLOSED",
    "SSL",
    "_GLOBAL_DEFAULT_TIMEOUT",
    "make_shareable",
    "notify_close",
    "notify_opened",
    "set_nonblocking",
    "shutdown_safe",
    "socket_accept",
    "socket_checkerr",
    "socket_connect",
    "socket_timeout",
    "trampoline",
]

monkey.patch("socket", "select")

BUFFER_SIZE = 4096
CONNECT_ERR = {errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK}
CONNECT_SUCCESS = {0, errno.EISCONN}
SOCKET_BLOCKING = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOTCONN}
SOCKET_CLOSED = {errno.ECONNRESET, errno.ESHUTDOWN, errno.EPIPE}

socket_timeout = socket.timeout
_GLOBAL_DEFAULT_TIMEOUT: Any = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]

# pyOpenSSL, where it was imported before.
SSL: Any = sys.modules.get("OpenSSL.SSL")


# What programs have put on their sockets.
_more: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


class GreenSocket(socket.socket):
    """The standard library's socket, with eventlet's names. GreenSocket(sock) is that socket itself, which becomes a GreenSocket."""

    # No more than the base has: that is why a socket can become one.
    __slots__ = ()

    def __new__(cls, family: Any = socket.AF_INET, *args: Any, **kwargs: Any) -> Any:
        if isinstance(family, cls):
            return family
        if isinstance(family, socket.socket):
            # A TLS socket, or one of a subclass with fields of its own, is green as it is.
            with contextlib.suppress(TypeError):
                family.__class__ = cls
            return family
        return super().__new__(cls)

    def __init__(self, family: Any = socket.AF_INET, *args: Any, **kwargs: Any) -> None:
        if family is self:
            return
        kwargs.pop("set_nonblocking", None)
        if hasattr(family, "fileno"):
            # The socket type below the standard library's.
            super().__init__(family.family, family.type, family.proto, family.detach())
        else:
            super().__init__(family, *args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except AttributeError:
            # Attributes of the program's own, for which a socket has no room.
            method = getattr(type(self), name, None)
            if method is None:
                _more.setdefault(self, {})[name] = value
            elif callable(method) and callable(value):
                _replace(self, name, value)
            else:
                raise

    def __delattr__(self, name: str) -> None:
        if _has_own_methods(self) and name in vars(type(self)):
            delattr(type(self), name)
        elif name in _more.get(self, ()):
            del _more[self][name]
        else:
            super().__delattr__(name)

    def __getattr__(self, name: str) -> Any:
        try:
            return _more[self][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    @property
    def fd(self) -> socket.socket:
        """The socket below: this one."""
        return self

    @property
    def _sock(self) -> socket.socket:
        return self

    @property
    def act_non_blocking(self) -> bool:
        """Does it raise instead of waiting? The same as setblocking() and a timeout of 0."""
        return self.gettimeout() == 0.0

    @act_non_blocking.setter
    def act_non_blocking(self, value: bool) -> None:
        self.setblocking(not value)

    def accept(self) -> tuple[Any, Any]:
        """The next connection and its address."""
        make_shareable(self)
        connection, address = super().accept()
        connection.__class__ = type(self).__mro__[1] if _has_own_methods(self) else type(self)
        return connection, address

    def makeGreenFile(self, *args: Any, **kwargs: Any) -> Any:
        """makefile(), by its old name."""
        return self.makefile(*args, **kwargs)


_OWN_METHODS = "_has_own_methods"


def _has_own_methods(sock: socket.socket) -> bool:
    """Has the program replaced methods of this very socket?"""
    return _OWN_METHODS in vars(type(sock))


def _replace(sock: GreenSocket, name: str, function: Any) -> None:
    """Gives a socket a method of the program's own: by a class of its own, for an object of this layout has no other place for it."""
    if not _has_own_methods(sock):
        kind = type(sock)
        sock.__class__ = type(
            kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, _OWN_METHODS: True}
        )
    setattr(type(sock), name, staticmethod(function))


def make_shareable(listener: Any) -> None:
    """Makes a listener's descriptor non-blocking, as eventlet does. Processes share one after a fork, and the one that comes too late for a
    connection would wait for the next one in the kernel, with all that it runs."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        os.set_blocking(listener.fileno(), False)


def socket_connect(descriptor: Any, address: Any) -> Any:
    """One attempt to connect: the descriptor when it is connected, None when that takes time yet; OSError."""
    error = descriptor.connect_ex(address)
    if error in CONNECT_ERR:
        return None
    if error not in CONNECT_SUCCESS:
        raise OSError(error, os.strerror(error))
    return descriptor


def socket_checkerr(descriptor: Any) -> None:
    """OSError when the socket has one pending."""
    error = descriptor.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error not in CONNECT_SUCCESS:
        raise OSError(error, os.strerror(error))


def socket_accept(descriptor: Any) -> Optional[tuple[Any, Any]]:
    """One attempt to accept: a connection and its address, or None when there is none."""
    try:
        found: tuple[Any, Any] = descriptor.accept()
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
            return None
        raise
    return found


def set_nonblocking(fd: Any) -> None:
    """Makes a socket, a file or a descriptor non-blocking."""
    if hasattr(fd, "setblocking"):
        fd.setblocking(False)
        return
    number = fd if isinstance(fd, int) else fd.fileno()
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_NONBLOCK)


def shutdown_safe(sock: Any) -> None:
    """Shuts a socket down, both ways, TLS or not; nothing happens when it is not connected or closed."""
    try:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except TypeError:
            sock.shutdown()  # pyOpenSSL's takes no argument
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EBADF, errno.ENOTSOCK):
            raise
