"""The `time` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["sleep"]

fill(globals(), "time", "time")
