"""The `asyncore` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "asyncore", "socket", "select", "time")
