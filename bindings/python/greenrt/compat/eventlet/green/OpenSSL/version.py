"""OpenSSL.version: facts."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = []

fill(globals(), "OpenSSL.version")
