"""A C driver that waits by itself is named by the report, with what to do; and that lets the other tasks run."""

import sys
import types

import greenrt
from greenrt import debug, monkey

monkey.patch_all()
for name in ("MySQLdb", "psycopg_c", "psycopg2"):
    sys.modules[name] = types.ModuleType(name)
advice = debug.blockers()
assert "PyMySQL" in advice["MySQLdb"] and "offload" in advice["MySQLdb"]
assert "PSYCOPG_IMPL=python" in advice["psycopg_c"] and "set_wait_callback" in advice["psycopg2"]
assert "blocks by itself: MySQLdb" in str(monkey.report())

query = monkey.original("time.sleep")  # a driver's wait: C code that knows nothing of tasks
ticks = []


def tick():
    while True:
        ticks.append(1)
        greenrt.sleep(0.001)


ticking = greenrt.spawn(tick)
greenrt.sleep(0)
count = len(ticks)
query(0.05)
assert len(ticks) == count, "everybody waits"


def long_query():
    for _ in range(6000):  # a minute, unless the others run
        if len(ticks) > count + 5:
            return True
        query(0.01)
    return False


assert greenrt.offload(long_query), "the others run"
ticking.kill()
print("pass")
