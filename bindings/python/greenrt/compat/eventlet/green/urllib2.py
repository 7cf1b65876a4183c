"""The `urllib.request` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "urllib.request", "socket", "ssl", "select", "time")
fill(globals(), "urllib.error")
