"""sys._current_frames and PyThreadState_SetAsyncExc see every task, by the ident it has."""

import ctypes
import sys
import threading

from greenrt import current, debug, sleep, spawn

N = 150


def parked(number):
    idents[number] = threading.get_ident()
    sleep(60)


idents = {}
tasks = [spawn(parked, number) for number in range(N)]
sleep(0.01)
assert len(set(idents.values())) == N, "idents are unique"
assert threading.get_ident() not in idents.values()
assert [task.ident for task in tasks] == [idents[number] for number in range(N)]
assert current().ident == threading.get_ident()
frames = sys._current_frames()
for number in range(N):
    frame = frames[idents[number]]
    while frame.f_code is not parked.__code__:
        frame = frame.f_back
    assert frame.f_locals["number"] == number
assert threading.get_ident() in frames
if sys.version_info >= (3, 11):
    assert set(idents.values()) <= set(sys._current_exceptions())

text = debug.format_tasks()
assert text.count("in parked") == N and "Task root (running)" in text
assert f"Task parked-{tasks[0].id} (parked)" in text


class Stop(Exception):
    pass


set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc
set_async.argtypes = [ctypes.c_ulong, ctypes.py_object]
assert set_async(idents[7], Stop) == 1
tasks[7].kill(ValueError, block=False)  # wakes it; the other exception is raised on the way
try:
    tasks[7].wait()
except (Stop, ValueError):
    pass
else:
    raise AssertionError("nothing raised")
for task in tasks:
    task.kill(block=False)
for task in tasks[:7]:
    try:
        task.wait()
    except BaseException as error:
        assert type(error).__name__ == "TaskExit"
print("pass")
