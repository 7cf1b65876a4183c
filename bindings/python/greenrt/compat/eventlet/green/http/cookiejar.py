"""The `http.cookiejar` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "http.cookiejar", "thread")
