"""The greenlet API as eventlet hands it on; it is `eventlet.greenlet` as well."""

from greenrt.greenlet import error, gettrace, greenlet, settrace

from .._task import GreenletExit, getcurrent

__all__ = ["GreenletExit", "error", "getcurrent", "gettrace", "greenlet", "settrace"]
