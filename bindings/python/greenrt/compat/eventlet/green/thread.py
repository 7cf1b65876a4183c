"""The `_thread` module, green."""

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = [
    "LockType",
    "allocate",
    "allocate_lock",
    "exit",
    "get_ident",
    "interrupt_main",
    "stack_size",
    "start_new",
    "start_new_thread",
]

fill(globals(), "_thread", "thread")
