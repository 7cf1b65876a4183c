"""sigwait, sigwaitinfo, sigtimedwait and pause in tasks: the others go on, and what comes is taken as CPython takes it."""

import os
import signal
import subprocess
import sys
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
ticks = [0]


def ticker():
    while True:
        ticks[0] += 1
        time.sleep(0.001)


ticking = greenrt.spawn(ticker)
me = os.getpid()


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{kind} expected")


def meanwhile(call):
    before = ticks[0]
    result = call()
    assert ticks[0] > before, "the thread was blocked"
    return result


def blocked():
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def later(seconds, number=signal.SIGUSR1):
    return greenrt.spawn_after(seconds, os.kill, me, number)


USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2
# Blocked by the program, as it should be; and not
for block in (True, False):
    if block:
        signal.pthread_sigmask(signal.SIG_BLOCK, [USR1, USR2])
    before = blocked()
    later(0.01)
    assert meanwhile(lambda: signal.sigwait([USR1, USR2])) is USR1
    later(0.01, USR2)
    info = meanwhile(lambda: signal.sigwaitinfo({USR1, USR2}))
    assert (info.si_signo, info.si_pid, info.si_uid) == (USR2, me, os.getuid())
    later(0.01)
    assert meanwhile(lambda: signal.sigtimedwait(iter([USR1]), 60)).si_signo == USR1
    assert meanwhile(lambda: signal.sigtimedwait([USR1], 0.01)) is None
    assert signal.sigtimedwait([USR1], 0) is None
    if block:
        os.kill(me, USR1)
        assert signal.sigtimedwait([USR1], 0).si_signo == USR1, "one that is pending is taken at once"
    assert blocked() == before
    # A kill and a timeout leave the mask as it was
    doomed = greenrt.spawn(signal.sigwait, [USR1])
    greenrt.sleep(0.003)
    doomed.kill()
    try:
        with greenrt.Timeout(0.01):
            signal.sigwaitinfo([USR2])
        raise AssertionError
    except greenrt.Timeout:
        pass
    assert blocked() == before
    # Several tasks wait for one signal, each gets one
    tasks = [greenrt.spawn(signal.sigwait, [USR1]) for _ in range(3)]
    greenrt.sleep(0.002)
    for n in range(3):
        os.kill(me, USR1)
        while sum(task.done for task in tasks) <= n:
            greenrt.sleep(0.001)
        greenrt.sleep(0.005)
        assert sum(task.done for task in tasks) == n + 1
    assert blocked() == before
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [USR1, USR2])
for call in (
    lambda: signal.sigwait([9999]),
    lambda: signal.sigwait(7),
    lambda: signal.sigwait(["x"]),
    lambda: signal.sigtimedwait([USR1], -1),
    lambda: signal.sigtimedwait([USR1], "x"),
    lambda: signal.sigtimedwait([USR1]),
    lambda: signal.pause(1),
):
    raises((ValueError, TypeError), call)

# Another signal in the middle: its handler runs in the root, and the wait goes on
handled = []
signal.signal(signal.SIGALRM, lambda number, frame: (handled.append(number), len(handled) == 3 and os.kill(me, USR1)))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
assert meanwhile(lambda: signal.sigwait([USR1])) == USR1 and len(handled) >= 3
signal.setitimer(signal.ITIMER_REAL, 0)

# pause: in the root, in tasks, and both; until a handler has run
handled.clear()
signal.signal(USR1, lambda number, frame: handled.append(threading.get_ident() == threading.main_thread().ident))
later(0.01)
assert meanwhile(signal.pause) is None and handled == [True]
pausing = [greenrt.spawn(signal.pause) for _ in range(3)]
greenrt.sleep(0.003)
os.kill(me, USR1)
for task in pausing:
    assert task.wait(60) is None
assert handled == [True] * 2
pausing = greenrt.spawn(signal.pause)
later(0.01)
signal.pause()
assert pausing.wait(60) is None
doomed = greenrt.spawn(signal.pause)
greenrt.sleep(0.002)
doomed.kill()
try:
    with greenrt.Timeout(0.01):
        signal.pause()
    raise AssertionError
except greenrt.Timeout:
    pass


class Alarm(Exception):
    pass


def loud(number, frame):
    raise Alarm


signal.signal(USR2, loud)
pausing = greenrt.spawn(signal.pause)
later(0.01, USR2)
raises(Alarm, signal.pause)
assert pausing.wait(60) is None, "the exception is the root's"
later(0.01, signal.SIGINT)
raises(KeyboardInterrupt, signal.pause)


# What a task blocks it blocks for itself: the program goes on hearing, and the next task begins with nothing blocked
def blocks_everything():
    mine.append(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    mine.append(blocked())
    mine.append(signal.pthread_sigmask(signal.SIG_UNBLOCK, [USR1]))
    mine.append(signal.pthread_sigmask(signal.SIG_SETMASK, [USR2]))
    mine.append(blocked())
    raises(ValueError, signal.pthread_sigmask, signal.SIG_BLOCK, [9999])
    raises(OSError, signal.pthread_sigmask, 77, [])


unblocked = blocked()
for _ in range(2):
    mine = []
    thread = threading.Thread(target=blocks_everything)
    thread.start()
    thread.join()
    assert mine[0] == unblocked, mine
    assert {USR1, USR2, signal.SIGTERM} <= mine[1] and mine[2] == mine[1]
    assert USR1 not in mine[3] and USR2 in mine[3] and mine[4] == {USR2} | unblocked, mine
    assert blocked() == unblocked, "the program is deaf"

# A child begins with what the task that makes it has blocked; a forked child's mask is its own, really
SHOW = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
children = []


def in_forked_child():
    inherited = blocked()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [USR2])
    with open("/proc/self/status") as file:
        mask = int(file.read().split("SigBlk:")[1].split()[0], 16)
    return USR2 in inherited and not mask >> (USR2 - 1) & 1


def makes_children():
    signal.pthread_sigmask(signal.SIG_BLOCK, [USR2])
    children.append(subprocess.check_output([sys.executable, "-c", SHOW], text=True))
    r, w = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, w, 1)]
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", SHOW], os.environ, file_actions=actions), 0)
    children.append(os.read(r, 1000).decode())
    child = os.fork()
    if child == 0:
        os._exit(0 if in_forked_child() else 1)
    children.append(os.waitpid(child, 0)[1])


thread = threading.Thread(target=makes_children)
thread.start()
thread.join()
shown = f"{sorted(unblocked | {USR2})}\n"
assert children == [shown, shown, 0], children
assert blocked() == unblocked

# A real OS thread waits for itself
signal.pthread_sigmask(signal.SIG_BLOCK, [USR1])
got, ready = [], threading.Event()


def on_a_thread():
    ident = monkey.original("_thread.get_ident")()
    got.append(ident)
    ready.set()
    got.append(signal.sigwait([USR1]))


monkey.original("_thread.start_new_thread")(on_a_thread, ())
assert ready.wait(60)
time.sleep(0.01)
signal.pthread_kill(got[0], USR1)
while len(got) < 2:
    time.sleep(0.001)
assert got[1] == USR1
ticking.kill()
print("pass")
