"""One Python row for one library: `rows.py LIBRARY ROW SECONDS [COUNT] [contended]`, prints "name value" lines for run.py.

    sleep0      two tasks that hand over to each other by a sleep of 0; the cost of one switch
    spawn       start a task that returns at once, wait for it
    pingpong    an item there and back over two queues, between two tasks
    queue       put an item into a queue with room for 128 and get it again, one task
    semaphore   acquire and release, nobody else wants it
    sleepers    resident and page-table bytes of COUNT sleeping tasks, and what a `threading.local` costs beside them

`contended` adds one real OS thread that runs Python code all the time. Each library is used as its own documentation
says, unpatched. Work is done in slices until SECONDS have passed, so that a slow peer takes no longer than a fast one.
"""

import _thread
import os
import sys

from blocking import Eventlet, Gevent, Greenlet, Greenrt
from coroutines import Asyncio, uvloop

LIBRARIES = {
    "eventlet": Eventlet,
    "gevent": Gevent,
    "greenlet": Greenlet,
    "asyncio": Asyncio,
    "uvloop": uvloop,
    "greenrt": Greenrt,
}


def contend(turns):
    """Runs Python code for ever; `turns` shows afterwards that it did get the interpreter."""
    while True:
        turns[0] += 1


def main():
    library, row, seconds, *options = sys.argv[1:]
    seconds = float(seconds)
    subject = LIBRARIES[library]()
    if not subject.alternates():
        sys.exit("failed: two tasks that sleep(0) do not take turns")
    turns = [0]
    if "contended" in options:
        # The real thing: no library has patched anything here.
        _thread.start_new_thread(contend, (turns,))
    if row == "sleepers":
        subject.sleepers(int(options[0]))
    verbs = {
        "sleep0": "sleep0",
        "spawn": "spawn_wait",
        "pingpong": "pingpong",
        "queue": "put_get",
        "semaphore": "acquire_release",
    }
    measure = getattr(subject, verbs[row])
    measure(seconds / 10)
    turns[0] = 0
    print(f"ns_per_op {measure(seconds) * 1e9:.1f}")
    print(f"contender_turns {turns[0]}", flush=True)
    os._exit(0)


main()
