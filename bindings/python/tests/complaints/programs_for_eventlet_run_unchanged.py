"""eventlet is deprecated, and nothing takes its place: a program written for it runs here as it stands, by each of the three ways."""

import os
import subprocess
import sys
import tempfile

from greenrt import compat

PROGRAM = """
import eventlet
eventlet.monkey_patch()

import socket
import threading
import time

served = []

def serve(sock, address):
    while True:
        data = sock.recv(100)
        if not data:
            break
        served.append(data)
        sock.sendall(data.upper())

listener = eventlet.listen(("127.0.0.1", 0))
eventlet.spawn_n(eventlet.serve, listener, serve)
pool = eventlet.GreenPool(20)

def ask(number):
    with socket.create_connection(listener.getsockname()) as client:
        asking.append(number)
        while len(asking) < 20:  # all at the same time
            time.sleep(0.001)
        client.sendall(b"line %d" % number)
        return client.recv(100).decode()

asking = []
assert list(pool.imap(ask, range(20))) == ["LINE %d" % number for number in range(20)]
thread = threading.Thread(target=served.append, args=("thread",))
thread.start()
thread.join()
assert served[-1] == "thread"
with eventlet.Timeout(0.01, False):
    eventlet.event.Event().wait()
    raise AssertionError
green = eventlet.spawn_after(30, print)
green.cancel()
assert "greenrt" in eventlet.__version__
print("unchanged")
"""

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "prog.py")
    with open(path, "w") as file:
        file.write(PROGRAM)
    itself = f"import greenrt, runpy; greenrt.install_as_eventlet(); runpy.run_path({path!r}, run_name='__main__')"
    plain = dict(os.environ)
    on_the_path = {**plain, "PYTHONPATH": os.pathsep.join([compat.dropin_path(), plain.get("PYTHONPATH", "")])}
    for arguments, env in (
        (["-m", "greenrt", "--eventlet", path], plain),
        ([path], on_the_path),
        (["-c", itself], plain),
    ):
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments], env=env, capture_output=True, text=True, timeout=200
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "unchanged\n", ""), (arguments, done)
print("pass")
