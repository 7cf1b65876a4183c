"""Which task blocks the others? The watchdog says so while it does, with file and line."""

import greenrt
from greenrt import debug, monkey

monkey.patch_all()
found = []


def told():
    return [hold for hold in found if "in culprit" in str(hold)]


def innocent():
    while not told():
        greenrt.sleep(0.001)


def culprit():
    while not told():
        sum(range(1000))


debug.watch(0.05, found.append)
tasks = [greenrt.spawn(innocent) for _ in range(5)] + [greenrt.spawn(culprit)]
greenrt.joinall(tasks)
debug.unwatch()
# A machine that stood still while another had the thread has that one reported before.
(hold, *_) = told()
assert hold.stack[0][2] == "culprit" and hold.stack[0][0] == __file__
assert hold.held >= 0.05
assert "Task innocent-" not in str(hold)
print("pass")
