"""Who is there, where is everybody, and who is in the way?

print_tasks()               the tasks of this OS thread, with the stacks they are parked in; all_threads=True: of every one
dump(file)                  the same with C calls, what each waits on and since when
dump_on_signal(signum)      a dump to stderr whenever the signal comes
watch(seconds)              reports a task that has held the OS thread so long, with its stack; unwatch() ends it
report_deadlocks()          reports, once, that every task waits for what nothing can bring
blockers()                  imported C extensions that wait by themselves, and what to do about it
"""

from ._blockers import blockers
from ._native import dump, dump_on_signal, report_deadlocks
from ._stacks import format_tasks, print_tasks, tasks
from ._watch import Hold, unwatch, watch

__all__ = [
    "Hold",
    "blockers",
    "dump",
    "dump_on_signal",
    "format_tasks",
    "print_tasks",
    "report_deadlocks",
    "tasks",
    "unwatch",
    "watch",
]
