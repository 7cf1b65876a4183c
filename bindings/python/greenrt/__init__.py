"""greenrt: tasks that look like threads and cost like callbacks.

    task = greenrt.spawn(f, *args)     start f beside this code
    task.wait()                        its result, or its exception
    greenrt.sleep(seconds)             let others run
    with greenrt.Timeout(seconds): ...

`python -m greenrt prog.py` runs an unmodified program with its threads, locks, sockets and sleeps on tasks.
"""

from greenrt._core.task import Task, TaskExit, current, sleep, spawn, spawn_after
from greenrt.timeout import Timeout, with_timeout

__version__ = "0.1.0"

__all__ = [
    "Task",
    "TaskExit",
    "Timeout",
    "__version__",
    "current",
    "sleep",
    "spawn",
    "spawn_after",
    "with_timeout",
]
