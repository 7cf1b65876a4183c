"""Whether many slow calls of tasks overlap on one OS thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def all_at_once(call: Callable[[int], Any], count: int, more: int = 5) -> list[Any]:
    """Results of `call(n)` in `count` threads, which are tasks; all together take far less than one after another. At most `more` OS threads come."""
    results: list[Any] = [None] * count
    each = [0.0] * count

    def body(n: int) -> None:
        entered = time.monotonic()
        results[n] = call(n)
        each[n] = time.monotonic() - entered

    before, begun = os_threads(), time.monotonic()
    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    most = os_threads()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    assert took < sum(each) / 2, (
        f"{count} calls that took {sum(each):.1f} s ended after {took:.1f} s: they do not overlap"
    )
    # The pool that resolves names may have grown; fifty tasks have not become fifty threads.
    assert most - before <= more, f"{before} OS threads became {most}"
    return results
