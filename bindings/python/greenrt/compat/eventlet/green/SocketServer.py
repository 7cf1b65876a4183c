"""The `socketserver` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "socketserver", "socket", "select", "thread")
