"""The `threading` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["_allocate_lock", "_start_new_thread", "current_thread", "get_ident", "local", "stack_size"]

fill(globals(), "threading", "thread", "time")
