"""threading.stack_size(): a thread that is a task has the stack that was asked for, where that is more than the usual one."""

import ctypes
import sys
import threading

import greenrt
from greenrt import monkey
from greenrt._ffi import _bindings
from greenrt._ffi.load import library

MIB = 1 << 20
threading.stack_size(64 * MIB)  # before the patch counts as well
monkey.patch_all()


def stack():
    """Of the running task, in bytes."""
    info = _bindings.gt_task_info_t(size=ctypes.sizeof(_bindings.gt_task_info_t))
    assert library.gt_task_info(library.gt_self(), ctypes.byref(info)) == 0
    return info.stack_size


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


for _ in range(2):
    assert in_a_thread(stack) >= 64 * MIB
assert greenrt.spawn(stack).wait() < 9 * MIB, "other tasks have what they had"
threading.stack_size(MIB)
assert 8 * MIB <= in_a_thread(stack) < 9 * MIB, "less than the usual is not less"
threading.stack_size(0)
assert 8 * MIB <= in_a_thread(stack) < 9 * MIB
threading.stack_size(2048 * MIB)
assert in_a_thread(stack) >= 1024 * MIB


# What it is for: recursion through C, several kilobytes a level. From 3.12 on CPython has a limit of its own for that.
def deep(levels):
    return levels and max([levels - 1], key=deep)


LEVELS = 30_000 if sys.version_info < (3, 12) else 300
threading.stack_size(512 * MIB)
sys.setrecursionlimit(10 * LEVELS)
assert in_a_thread(lambda: deep(LEVELS)) == LEVELS - 1
print("pass")
