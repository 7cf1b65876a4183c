"""How the Python rows count: time per operation, memory per task, and what a `threading.local` costs."""

import os
import threading
import time

SLICE = 200
ROOM = 128


def per_operation(seconds, some):
    """Calls some(SLICE) until so many seconds have passed; the seconds one of its operations took."""
    count = 0
    start = time.monotonic()
    end = start + seconds
    while count == 0 or time.monotonic() < end:
        some(SLICE)
        count += SLICE
    return (time.monotonic() - start) / count


def nothing():
    return None


def memory():
    """Resident bytes and page-table bytes of this process."""
    found = {}
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmPTE"):
                found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmPTE"]


def local_cost():
    """Seconds that it takes to make a `threading.local`, to use it, and to drop it."""
    count = 0
    start = time.monotonic()
    while count < 10 or time.monotonic() < start + 0.1:
        local = threading.local()
        local.value = count
        del local
        count += 1
    return (time.monotonic() - start) / count


def report_sleepers(before, count):
    now = memory()
    print(f"count {count}")
    print(f"rss_per_task {(now[0] - before[0]) / count:.1f}")
    print(f"pte_per_task {(now[1] - before[1]) / count:.1f}")
    print(f"ns_per_local {local_cost() * 1e9:.1f}", flush=True)
    os._exit(0)
