"""The `os` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["fdopen", "open", "read", "wait", "waitpid", "write"]

fill(globals(), "os", "os", "io")
