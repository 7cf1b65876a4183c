"""Lookups that take long, by a resolver of our own in front of the C library's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import run_python

SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int inside;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host && !strncmp(host, "four-at-once", 12)) {
        atomic_fetch_add(&inside, 1);
        while (atomic_load(&inside) < 4) usleep(1000);
        host = "localhost";
    }
    if (host && !strcmp(host, "stuck"))
        while (access(getenv("RELEASE"), F_OK)) usleep(1000);
    if (host && !strcmp(host, "again")) return EAI_AGAIN;
    return next(host, service, hints, list);
}
"""

PROGRAM = r"""
import os, signal, socket, threading, time
import greenrt
from greenrt import monkey
monkey.patch_all()

# Four lookups that wait for each other come to an end only if they run at once.
tasks = [greenrt.spawn(socket.getaddrinfo, "four-at-once", 80) for _ in range(2)]
tasks += [greenrt.spawn(socket.gethostbyname, "four-at-once") for _ in range(2)]
assert all(task.wait(60) for task in tasks)

try:
    socket.getaddrinfo("again", 80)
    raise AssertionError
except socket.gaierror as error:
    assert error.args == (socket.EAI_AGAIN, "Temporary failure in name resolution"), error.args

# Interrupted while the resolver does not answer: at once, by a timeout, a kill, a signal handler that raises.
def connects():
    with socket.socket() as sock:
        sock.connect(("stuck", 1))

for call in (lambda: socket.getaddrinfo("stuck", 80), lambda: socket.gethostbyname("stuck"), connects):
    try:
        with greenrt.Timeout(0.05):
            call()
        raise AssertionError
    except greenrt.Timeout:
        pass
    task = greenrt.spawn(call)
    time.sleep(0.02)
    assert not task.done
    task.kill()
    assert task.done

class Alarm(Exception):
    pass

def handler(number, frame):
    seen.append(number)
    if len(seen) == 2:
        raise Alarm
    signal.setitimer(signal.ITIMER_REAL, 0.05)

seen = []
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    socket.getaddrinfo("stuck", 80)
    raise AssertionError
except Alarm:
    pass
assert len(seen) == 2

# A socket that is closed while its name is looked up
sock = socket.socket()
task = greenrt.spawn(sock.connect, ("stuck", 1))
time.sleep(0.02)
sock.close()
# Forked meanwhile: the child's own lookups work.
pid = os.fork()
if pid == 0:
    os._exit(0 if socket.gethostbyname("localhost") == "127.0.0.1" else 1)
assert os.waitpid(pid, 0) == (pid, 0)
open(os.environ["RELEASE"], "w").close()
try:
    task.wait(60)
    raise AssertionError
except OSError as error:
    pass
print("pass")
"""


def test_slow_lookups_overlap_and_can_be_left(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler, for a resolver that does not answer")
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(SLOW)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    result = run_python("-c", PROGRAM, LD_PRELOAD=str(library), RELEASE=str(tmp_path / "release"))
    assert result.stdout.strip() == "pass", result.stdout + result.stderr
