"""A real thread that logs while tasks log waits for the lock as a thread, and the tasks wait as tasks."""

import io
import logging
import time

import greenrt
from greenrt import monkey

monkey.patch_all()


class Slow(logging.StreamHandler):
    def emit(self, record):
        time.sleep(0.001)  # parks, or blocks, with the handler's lock held
        super().emit(record)


stream = io.StringIO()
log = logging.getLogger("both")
log.addHandler(Slow(stream))
log.propagate = False


def lines(kind):
    for number in range(20):
        log.warning("%s %d", kind, number)


tasks = [greenrt.spawn(lines, f"task-{n}") for n in range(5)]
threads = [greenrt.spawn(greenrt.offload, lines, f"thread-{n}") for n in range(5)]
for task in [*tasks, *threads]:
    task.wait(60)
written = stream.getvalue().splitlines()
assert len(written) == 200 == len(set(written))
assert [line for line in written if line.startswith("thread-3 ")] == [f"thread-3 {n}" for n in range(20)]
print("pass")
