"""The `builtins` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["open"]

fill(globals(), "builtins", "io")
