"""Patching writes C functions. No object is looked for, exchanged or emptied: what held a lock holds the same lock."""

import gc
import threading

lock, rlock, event = threading.Lock(), threading.RLock(), threading.Event()
table = {lock: "lock", rlock: "rlock"}
chain = [table, {"event": event, "list": [lock, rlock], "none": None}]


class Holder:
    def __init__(self):
        self.lock, self.table = lock, table


holder = Holder()
holder.itself = holder
bound = lock.acquire
before = [id(lock), id(rlock), id(event), id(table), id(threading.Lock), id(threading.RLock)]
referrers = len(gc.get_referrers(table))

from greenrt import monkey  # noqa: E402

for _ in range(3):
    monkey.patch_all()
    assert before == [id(lock), id(rlock), id(event), id(table), id(threading.Lock), id(threading.RLock)]
    assert len(gc.get_referrers(table)) == referrers
    assert table[lock] == "lock" and table[rlock] == "rlock" and holder.lock is lock and holder.table is table
    assert chain == [table, {"event": event, "list": [lock, rlock], "none": None}]
    assert bound(False) and lock.locked() and bound.__self__ is lock
    lock.release()
    gc.collect()
    monkey.unpatch()
print("pass")
