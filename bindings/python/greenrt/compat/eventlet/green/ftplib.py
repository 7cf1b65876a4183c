"""The `ftplib` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "ftplib", "socket", "ssl", "select")
