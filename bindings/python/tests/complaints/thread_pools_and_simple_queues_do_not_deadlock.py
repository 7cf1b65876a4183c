"""ThreadPoolExecutor stands on SimpleQueue and on locks of the module: under patching its threads are tasks that park in them."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from greenrt import monkey

early = queue.SimpleQueue()
early_pool = ThreadPoolExecutor(2)
assert early_pool.submit(len, "ab").result(20) == 2  # has a real thread by now

monkey.patch_all()
began = time.monotonic()
with ThreadPoolExecutor(20) as pool:
    futures = [pool.submit(time.sleep, 0.05) for _ in range(20)]
    assert len(list(as_completed(futures, 20))) == 20
    assert pool.submit(threading.get_native_id).result(20) == threading.get_native_id(), "a task"
    assert list(pool.map(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
assert time.monotonic() - began < 5
assert early_pool.submit(len, "abc").result(20) == 3
early_pool.shutdown()

getter = threading.Thread(target=lambda: found.append(early.get(timeout=20)))
found = []
getter.start()
early.put("item")
getter.join(20)
assert found == ["item"]
try:
    early.get(timeout=0.01)
    raise AssertionError("nothing is there")
except queue.Empty:
    pass
print("pass")
