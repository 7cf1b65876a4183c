"""The `queue` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["LifoQueue", "PriorityQueue", "Queue"]

fill(globals(), "queue", "thread")
