"""Whether many slow calls of tasks overlap on one OS thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def all_at_once(call: Callable[[int], Any], count: int, each: float) -> list[Any]:
    """Results of `call(n)` in `count` threads, which are tasks; each takes `each` seconds, all together far less than one after another."""
    results: list[Any] = [None] * count

    def body(n: int) -> None:
        results[n] = call(n)

    before, begun = os_threads(), time.monotonic()
    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    most = os_threads()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    assert took < count * each / 2, f"{count} calls of {each} s took {took:.1f} s: they do not overlap"
    # The pool that resolves names may have grown; fifty tasks have not become fifty threads.
    assert most - before <= 5, f"{before} OS threads became {most}"
    return results
