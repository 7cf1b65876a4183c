"""The `select` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["select"]

fill(globals(), "select", "select")
