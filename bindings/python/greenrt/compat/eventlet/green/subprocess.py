"""The `subprocess` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["Popen", "call", "check_call", "check_output"]

fill(globals(), "subprocess", "os", "io", "select", "thread", "time", "signal")
