"""No resolver of our own: nothing is read at import, dnspython is not needed, /etc/hosts counts, and nothing piles up."""

import os
import sys

opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" and isinstance(args[0], str) else None)

import socket  # noqa: E402

import greenrt  # noqa: E402
from greenrt import monkey  # noqa: E402

monkey.patch_all()
assert not [name for name in opened if name.startswith("/etc/")], opened
assert "dns" not in sys.modules and "eventlet" not in sys.modules

answers = [greenrt.spawn(socket.getaddrinfo, "localhost", 80, type=socket.SOCK_STREAM) for _ in range(20)]
assert all(answer.wait(60)[0][4][1] == 80 for answer in answers)
assert socket.gethostbyname("127.0.0.1") == "127.0.0.1"
try:
    socket.getaddrinfo("no-such-host.invalid", 80)
    raise AssertionError("found")
except socket.gaierror:
    pass


def count():
    return len(os.listdir("/proc/self/fd")), greenrt.statistics()["objects"], len(greenrt.debug.tasks())


import greenrt.debug  # noqa: E402

before = count()
for _ in range(200):
    socket.getaddrinfo("localhost", 80)
assert count() == before, (before, count())
print("pass")
