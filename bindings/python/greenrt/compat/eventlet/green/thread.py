"""The `_thread` module, green."""

import _thread

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = [
    "Lock",
    "LockType",
    "_ThreadHandle",
    "_count",
    "_get_main_thread_ident",
    "_local",
    "_make_thread_handle",
    "allocate",
    "allocate_lock",
    "exit",
    "get_ident",
    "interrupt_main",
    "stack_size",
    "start_joinable_thread",
    "start_new",
    "start_new_thread",
]

Lock = _thread.allocate_lock

fill(globals(), "_thread", "thread")
