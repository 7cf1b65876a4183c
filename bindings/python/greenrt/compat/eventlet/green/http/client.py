"""The `http.client` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "http.client", "socket", "ssl", "select")
