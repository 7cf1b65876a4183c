"""Children: every way to wait for one lets the other tasks run; system, popen, and signals meanwhile."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time

import greenrt
from greenrt import monkey

monkey.patch_all()
for name in ("wait", "waitpid", "wait3", "wait4", "waitid", "system"):
    assert monkey.is_patched(f"os.{name}"), name
ticks = [0]


def ticker():
    while True:
        ticks[0] += 1
        time.sleep(0.001)


ticking = greenrt.spawn(ticker)


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


def child(code, gate=None):
    """A child that ends with that code, once the gate is closed."""
    pid = os.fork()
    if pid == 0:
        if gate is not None:
            os.close(gate[1])
            monkey.original("os.read")(gate[0], 1)
        os._exit(code)
    return pid


def waited_for(how):
    """What `how` gives for a child that ends with 7 a little later."""
    gate = os.pipe()
    pid = child(7, gate)
    greenrt.spawn_after(0.01, os.close, gate[1])
    result = meanwhile(lambda: how(pid))
    os.close(gate[0])
    return pid, result


WAYS = {
    "wait": lambda pid: os.wait(),
    "waitpid": lambda pid: os.waitpid(pid, 0),
    "any": lambda pid: os.waitpid(-1, 0),
    "group": lambda pid: os.waitpid(0, 0),
    "wait3": lambda pid: os.wait3(0)[:2],
    "wait4": lambda pid: os.wait4(pid, 0)[:2],
}
for name, how in WAYS.items():
    pid, result = waited_for(how)
    assert result == (pid, 7 << 8), (name, result)
pid, result = waited_for(lambda pid: os.waitid(os.P_PID, pid, os.WEXITED))
assert result.si_pid == pid and result.si_status == 7
pid, result = waited_for(lambda pid: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT))
assert result.si_pid == pid and os.waitpid(pid, os.WNOHANG) == (pid, 7 << 8)
if hasattr(os, "pidfd_open"):
    gate = os.pipe()
    pid = child(7, gate)
    descriptor = os.pidfd_open(pid)
    greenrt.spawn_after(0.01, os.close, gate[1])
    assert meanwhile(lambda: os.waitid(os.P_PIDFD, descriptor, os.WEXITED)).si_status == 7
    os.close(descriptor)
    os.close(gate[0])
# Nobody to wait for; wrong arguments
for how in (*WAYS.values(), lambda pid: os.waitid(os.P_PID, pid, os.WEXITED), lambda pid: os.waitpid(pid, os.WNOHANG)):
    assert raises(ChildProcessError, how, pid).errno == errno.ECHILD
for call in (
    lambda: os.waitpid("x", 0),
    lambda: os.waitpid(1),
    lambda: os.wait3("x"),
    lambda: os.waitid(0, 0),
    lambda: os.wait(1),
):
    raises(TypeError, call)
assert raises(OSError, os.waitpid, -1, 1 << 20).errno == errno.EINVAL

# A stop, and going on
gate = os.pipe()
pid = child(0, gate)
greenrt.spawn_after(0.01, os.kill, pid, signal.SIGSTOP)
assert os.WIFSTOPPED(meanwhile(lambda: os.waitpid(pid, os.WUNTRACED))[1])
greenrt.spawn_after(0.01, os.kill, pid, signal.SIGCONT)
assert os.WIFCONTINUED(meanwhile(lambda: os.waitpid(pid, os.WCONTINUED))[1])
# Interrupted, and waited for again; a handler that returns
handled = []
signal.signal(signal.SIGALRM, lambda number, frame: (handled.append(number), len(handled) == 3 and os.close(gate[1])))
for how in (lambda: os.waitpid(pid, 0), os.wait):
    try:
        with greenrt.Timeout(0.01):
            how()
        raise AssertionError
    except greenrt.Timeout:
        pass
    task = greenrt.spawn(how)
    greenrt.sleep(0.002)
    task.kill()
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
assert os.waitpid(pid, 0) == (pid, 0) and len(handled) >= 3
signal.setitimer(signal.ITIMER_REAL, 0)
os.close(gate[0])

# Many children, a task each
gate = os.pipe()
pids = [child(n, gate) for n in range(10)]
tasks = [greenrt.spawn(os.waitpid, pid, 0) for pid in pids]
greenrt.sleep(0)
os.close(gate[1])
assert [task.wait(60) for task in tasks] == [(pid, n << 8) for n, pid in enumerate(pids)]
os.close(gate[0])

# system: the status, the shell, signals of the child
assert (
    os.system("exit 3") == 3 << 8
    and os.system(b"true") == 0
    and os.system("no-such-command-here 2>/dev/null") == 127 << 8
)
assert os.WTERMSIG(os.system("kill -9 $$")) == 9
gate = os.pipe()
os.set_inheritable(gate[0], True)
greenrt.spawn_after(0.02, os.close, gate[1])
assert meanwhile(lambda: os.system(f"cat < /proc/self/fd/{gate[0]}")) == 0
os.close(gate[0])
os.environ["GREENRT_TOLD"] = "yes"
assert os.system('test "$GREENRT_TOLD" = yes') == 0
raises(TypeError, os.system)
raises(TypeError, os.system, 7)
raises(ValueError, os.system, "a\0b")
told, gate = os.pipe(), os.pipe()
os.set_inheritable(told[1], True)
os.set_inheritable(gate[0], True)
before = signal.getsignal(signal.SIGINT)
command = f"echo > /proc/self/fd/{told[1]}; cat < /proc/self/fd/{gate[0]}"
tasks = [greenrt.spawn(os.system, command) for _ in range(10)]
for _ in tasks:
    assert os.read(told[0], 1) == b"\n"
# All ten run now. Ctrl-C is ignored while a command runs, as system(3) has it.
os.kill(os.getpid(), signal.SIGINT)
os.close(gate[1])
assert [task.wait(60) for task in tasks] == [0] * 10
for fd in (*told, gate[0]):
    os.close(fd)
assert signal.getsignal(signal.SIGINT) is before
raises(KeyboardInterrupt, lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60)))
assert os.WTERMSIG(os.system("kill -INT $$")) == signal.SIGINT, "the command does not ignore it"
try:
    with greenrt.Timeout(0.02):
        os.system("exec sleep 100")
    raise AssertionError
except greenrt.Timeout:
    raises(ChildProcessError, os.wait)

# popen and subprocess
with tempfile.TemporaryDirectory() as folder:
    fifo = os.path.join(folder, "gate")
    os.mkfifo(fifo)
    gate = os.open(fifo, os.O_RDWR)
    with os.popen(f"read line < {fifo}; echo out; exit 2") as pipe:
        greenrt.spawn_after(0.01, os.write, gate, b"go\n")
        assert meanwhile(pipe.read) == "out\n"
        assert pipe.close() == 2 << 8
    os.close(gate)
with os.popen("cat > /dev/null", "w") as pipe:
    pipe.write("x" * 1_000_000)
code = "import sys, time; time.sleep(0.3); sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('err')"
tasks = [
    greenrt.spawn(
        subprocess.run, [sys.executable, "-S", "-c", code], input=f"in{n}", capture_output=True, text=True, timeout=30
    )
    for n in range(5)
]
for n, task in enumerate(tasks):
    done = task.wait(60)
    assert (done.stdout, done.stderr, done.returncode) == (f"IN{n}", "err", 0)
raises(subprocess.TimeoutExpired, lambda: subprocess.run(["sleep", "60"], timeout=0.02))
raises(FileNotFoundError, subprocess.run, ["/no/such/program"])
assert subprocess.check_output(["echo", "x"]) == b"x\n"
big = os.urandom(2_000_000)
assert subprocess.run(["cat"], input=big, stdout=subprocess.PIPE).stdout == big
ticking.kill()
print("pass")
