"""The `socket` module, green, by the name that eventlet has for one without its own resolver."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["fromfd", "socket", "socketpair", "timeout"]

fill(globals(), "greenrt.compat.eventlet.green.socket", "socket", "select")
