"""Which task blocks the others? The watchdog says so while it does, with file and line."""

import greenrt
from greenrt import debug, monkey

monkey.patch_all()
found = []


def innocent():
    while not found:
        greenrt.sleep(0.001)


def culprit():
    while not found:
        sum(range(1000))


debug.watch(0.05, found.append)
tasks = [greenrt.spawn(innocent) for _ in range(5)] + [greenrt.spawn(culprit)]
greenrt.joinall(tasks)
debug.unwatch()
(hold, *_) = found
assert [call[2] for call in hold.stack] == ["culprit"] and hold.stack[0][0] == __file__
assert "in culprit" in str(hold) and hold.held >= 0.05
assert "Task innocent-" not in str(hold)
print("pass")
