"""The `http.cookies` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "http.cookies")
