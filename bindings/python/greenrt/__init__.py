"""greenrt: tasks that look like threads and cost like callbacks.

    task = greenrt.spawn(f, *args)     start f beside this code
    task.wait()                        its result, or its exception
    greenrt.sleep(seconds)             let others run
    with greenrt.Timeout(seconds): ...
    greenrt.preempt(interval)          tasks that compute give way too
    mine = greenrt.local()             attributes of which each task has its own

`python -m greenrt prog.py` runs an unmodified program with its threads, locks, sockets and sleeps on tasks.

    pool        Group, Pool, joinall, iwait         queue       Queue, LifoQueue, PriorityQueue, Channel
    sync        Lock, RLock, Condition, Event, ...  result      AsyncResult
    threadpool  offload, ThreadPoolExecutor         server      StreamServer, DatagramServer
    monkey      patch_all, patch, original          debug       print_tasks, watch
    aio         run, wait: asyncio and tasks        greenlet    the greenlet API over tasks
    wsgi        serve, Server                       websocket   serve, connect, WebSocketApp

A program written for eventlet runs unchanged after `greenrt.install_as_eventlet()`, or by `python -m greenrt --eventlet prog.py`.
"""

from importlib import import_module
from typing import Any

from greenrt._core.figures import statistics
from greenrt._core.preempt import no_preempt, preempt
from greenrt._core.task import Task, TaskExit, current, sleep, spawn, spawn_after
from greenrt.pool import Group, Pool, iwait, joinall, killall
from greenrt.result import AsyncResult
from greenrt.timeout import Timeout, with_timeout

__version__ = "0.1.0"

__all__ = [
    "AsyncResult",
    "Group",
    "Pool",
    "Task",
    "TaskExit",
    "Timeout",
    "__version__",
    "current",
    "install_as_eventlet",
    "iwait",
    "joinall",
    "killall",
    "local",
    "no_preempt",
    "offload",
    "preempt",
    "sleep",
    "spawn",
    "spawn_after",
    "statistics",
    "with_timeout",
]


def __getattr__(name: str) -> Any:
    # What stands on much of the standard library is imported when it is asked for.
    if name == "offload":
        from greenrt.threadpool import offload

        globals()["offload"] = offload
        return offload
    if name == "local":
        from threading import local  # each task is a thread to it, patched or not

        globals()["local"] = local
        return local
    if name == "install_as_eventlet":
        return import_module("greenrt.compat").install_as_eventlet
    if name in ("aio", "compat", "greenlet", "websocket", "wsgi"):
        return import_module(f"greenrt.{name}")
    raise AttributeError(f"module 'greenrt' has no attribute {name!r}")
