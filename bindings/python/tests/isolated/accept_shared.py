# timeout: 120
"""Two forked processes accept on one listener that has a timeout: whoever comes too late waits in its task, and its other tasks run."""

import os
import socket
import sys

import greenrt
from greenrt import monkey

monkey.patch_all()

ROUNDS = 300
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
if "without" not in sys.argv:
    listener.settimeout(3600)


def serve(questions, answers):
    """Accepts in one task, answers questions in another."""

    def accept():
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"%d" % os.getpid())
            connection.close()

    accepting = [greenrt.spawn(accept) for _ in range(3)]
    while question := os.read(questions, 1):
        os.write(answers, question)
    for task in accepting:
        task.kill()


children = []
for _ in range(2):
    (ask_from, ask), (answer, answer_to) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        for _, other, _ in children:
            os.close(other)
        os.close(ask)
        serve(ask_from, answer_to)
        os._exit(0)
    os.close(ask_from)
    os.close(answer_to)
    children.append((pid, ask, answer))

try:
    with greenrt.Timeout(200, RuntimeError("a process does not answer: it waits in the kernel")):
        for _ in range(ROUNDS):
            with socket.create_connection(listener.getsockname()) as client:
                assert int(client.recv(10)) in [pid for pid, *_ in children]
            for _, ask, _ in children:
                os.write(ask, b"?")
            for _, _, answer in children:
                assert os.read(answer, 1) == b"?"
        for pid, ask, _ in children:
            os.close(ask)
            assert os.waitpid(pid, 0)[1] == 0
except BaseException:
    for pid, *_ in children:
        os.kill(pid, 9)
    raise
print("pass")
