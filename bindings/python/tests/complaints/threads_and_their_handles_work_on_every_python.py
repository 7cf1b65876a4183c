"""Threads are tasks, with everything that `threading` says of them: also by the handles that 3.13 joins them with."""

import _thread
import sys
import threading
import time

from greenrt import monkey

monkey.patch_all()
seen, native = [], []


def look():
    seen.append(threading.current_thread())
    native.append(threading.get_native_id())


go = threading.Event()
thread = threading.Thread(target=lambda: (go.wait(), time.sleep(0.001), look()))
assert not thread.is_alive() and thread.ident is None
thread.start()
assert thread.is_alive() and thread.ident in {one.ident for one in threading.enumerate()}
thread.join(0.001)
assert thread.is_alive()
go.set()
thread.join(60)
thread.join()
assert native == [threading.get_native_id()], "a task"
assert seen == [thread] and not thread.is_alive() and thread not in threading.enumerate()
try:
    threading.current_thread().join()
    raise AssertionError("joined itself")
except RuntimeError:
    pass
fails = threading.Thread(target=lambda: 1 / 0)
threading.excepthook = lambda args: seen.append(args.exc_type)
fails.start()
fails.join(60)
assert seen[-1] is ZeroDivisionError
daemon = threading.Thread(target=time.sleep, args=(600,), daemon=True)
daemon.start()
timer = threading.Timer(0.001, seen.append, ["timer"])
timer.start()
timer.join(60)
assert seen[-1] == "timer"
if sys.version_info >= (3, 13):
    go.clear()
    handle = _thread.start_joinable_thread(lambda: (go.wait(), seen.append("handle")))
    assert not handle.is_done()
    go.set()
    handle.join()
    assert handle.is_done() and seen[-1] == "handle"
print("pass")
