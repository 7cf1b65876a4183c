"""The `asynchat` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "asynchat", "socket", "select", "time")
