"""The `selectors` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["DefaultSelector", "SelectSelector"]

fill(globals(), "selectors", "select")
