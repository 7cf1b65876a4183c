"""ThreadPoolExecutor stands on SimpleQueue and on locks of the module: under patching its threads are tasks that park in them."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from greenrt import monkey

early = queue.SimpleQueue()
early_pool = ThreadPoolExecutor(2)
assert early_pool.submit(len, "ab").result(60) == 2  # has a real thread by now

monkey.patch_all()
inside = []


def together():
    inside.append(1)
    while len(inside) < 20:  # all of them at once, or for ever
        time.sleep(0.001)


with ThreadPoolExecutor(20) as pool:
    futures = [pool.submit(together) for _ in range(20)]
    assert len(list(as_completed(futures, 60))) == 20
    assert pool.submit(threading.get_native_id).result(60) == threading.get_native_id(), "a task"
    assert list(pool.map(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
assert early_pool.submit(len, "abc").result(60) == 3
early_pool.shutdown()

getter = threading.Thread(target=lambda: found.append(early.get(timeout=60)))
found = []
getter.start()
early.put("item")
getter.join(60)
assert found == ["item"]
try:
    early.get(timeout=0.01)
    raise AssertionError("nothing is there")
except queue.Empty:
    pass
print("pass")
