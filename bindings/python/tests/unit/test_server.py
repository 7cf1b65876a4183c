"""What the servers promise. Each test runs in a process of its own where it patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TLS = Path(__file__).resolve().parent.parent / "tls"

PRELUDE = """
import errno, os, socket, sys, tempfile
import greenrt
from greenrt import Pool, sleep, spawn
from greenrt.server import DatagramServer, StreamServer

def echo(sock, address):
    while True:
        data = sock.recv(4096)
        if not data:
            break
        sock.sendall(data)

def ask(address, text=b"hello"):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.connect(address)
        client.sendall(text)
        return client.recv(4096)
"""

SCENARIOS = {
    "many_clients_at_once": """
with StreamServer(("127.0.0.1", 0), echo) as server:
    tasks = [spawn(ask, server.address, b"%d" % n) for n in range(200)]
    assert [task.wait() for task in tasks] == [b"%d" % n for n in range(200)]
    assert server.statistics()["accepted"] == 200
assert not server.started
""",
    "a_unix_socket_and_a_listener_of_the_program": """
with tempfile.TemporaryDirectory() as folder:
    with StreamServer(folder + "/s", echo) as server:
        assert ask(server.address) == b"hello"
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    with StreamServer(made, echo) as server:
        assert ask(made.getsockname()) == b"hello"
""",
    "a_bound_on_connections": """
peak = now = 0
def slow(sock, address):
    global peak, now
    now += 1
    peak = max(peak, now)
    while peak < 3:
        sleep(0.001)
    sleep(0.01)
    echo(sock, address)
    now -= 1
with StreamServer(("127.0.0.1", 0), slow, spawn=3) as server:
    for task in [spawn(ask, server.address) for _ in range(12)]:
        assert task.wait() == b"hello"
assert peak == 3, peak
""",
    "stop_finishes_what_was_begun": """
def slow(sock, address):
    sock.recv(10)
    sleep(0.05)
    sock.sendall(b"done")
server = StreamServer(("127.0.0.1", 0), slow)
server.start()
client = spawn(ask, server.address)
while not server.statistics()["connections"]:
    sleep(0.001)
address = server.address
server.stop()
assert client.wait() == b"done"
try:
    ask(address)
except ConnectionRefusedError:
    pass
else:
    raise AssertionError("it still listens")
""",
    "stop_kills_what_takes_too_long": """
def forever(sock, address):
    sleep(1000)
server = StreamServer(("127.0.0.1", 0), forever)
server.start()
sys.stderr = open(os.devnull, "w")
client = spawn(ask, server.address)
while not server.statistics()["connections"]:
    sleep(0.001)
server.stop(timeout=0.01)
try:
    assert client.wait() == b""
except ConnectionResetError:
    pass  # what it had sent was not read
assert server.statistics()["connections"] == 0
""",
    "stop_ends_serve_forever": """
server = StreamServer(("127.0.0.1", 0), echo)
task = spawn(server.serve_forever)
sleep(0)
assert ask(server.address) == b"hello"
server.stop()
task.wait(timeout=60)
""",
    "a_handler_that_raises_ends_its_connection_only": """
def failing(sock, address):
    raise LookupError("as asked")
sys.stderr = open(os.devnull, "w")
with StreamServer(("127.0.0.1", 0), failing) as server:
    for _ in range(3):
        try:
            assert ask(server.address) == b""
        except ConnectionResetError:
            pass
    assert server.started
""",
    "a_shortage_of_descriptors_ends_nothing": """
import resource
with StreamServer(("127.0.0.1", 0), echo) as server:
    client = socket.create_connection(server.address)
    sleep(0.01)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.open("/dev/null", os.O_RDONLY)
    os.close(fd)
    waiting = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, limits[1]))
    waiting.connect(server.address)
    while not server.statistics()["shortages"]:
        sleep(0.001)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    waiting.sendall(b"late")
    assert waiting.recv(10) == b"late"
    waiting.close()
    client.close()
""",
    "datagrams": """
def answer(data, address):
    server.sendto(data.upper(), address)
with DatagramServer(("127.0.0.1", 0), answer) as server:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        for n in range(20):
            client.sendto(b"n%d" % n, server.address)
            assert client.recv(100) == b"N%d" % n
""",
    "datagrams_in_work_are_bounded_and_finished_by_stop": """
from greenrt.sync import Event
go, done, now = Event(), [], 0
def slow(data, address):
    global now
    now += 1
    go.wait()
    done.append(data)
server = DatagramServer(("127.0.0.1", 0), slow, spawn=2)
server.start()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for n in range(8):
        client.sendto(b"%d" % n, server.address)
while now < 2:
    sleep(0.001)
sleep(0.01)
assert now == 2 == server.statistics()["handling"]
greenrt.spawn_after(0.01, go.set)
server.stop()
assert done == [b"0", b"1"] and server.statistics()["handling"] == 0, done
""",
    "what_accept_says_of_one_connection_ends_nothing": """
class Listener(socket.socket):
    faults = [errno.EPERM, errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTUNREACH, errno.ENETUNREACH]
    faults += [getattr(errno, name) for name in ("EHOSTDOWN", "ENONET") if hasattr(errno, name)]
    def accept(self):
        if self.faults:
            raise OSError(self.faults.pop(), "of a connection")
        return super().accept()
listener = Listener()
listener.bind(("127.0.0.1", 0))
listener.listen()
with StreamServer(listener, echo) as server:
    assert ask(server.address) == b"hello" and not listener.faults
""",
    "connections_wait_while_there_is_no_memory_for_their_tasks": """
import resource
clients = []
with StreamServer(("127.0.0.1", 0), echo) as server:
    assert ask(server.address) == b"hello"
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))  # a stack is 8 MiB
    while not server.statistics()["shortages"]:
        assert server.started and len(clients) < 500
        clients.append(socket.create_connection(server.address))
        sleep(0.001)
    # One after the other gets its task, when others end.
    for client in clients:
        client.settimeout(60)
        client.sendall(b"here")
        assert client.recv(4096) == b"here"
        client.close()
    assert ask(server.address) == b"hello"
""",
    "tls_by_a_private_authority": """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(TLS + "/localhost.pem")
trusting = ssl.create_default_context(cafile=TLS + "/ca.pem")
def secret(n, context=trusting):
    with socket.create_connection(server.address) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"%d" % n)
            return client.recv(100)
seen = []
def handle(sock, address):
    seen.append(sock.version())
    echo(sock, address)
with StreamServer(("127.0.0.1", 0), handle, spawn=40, ssl_context=context, handshake_timeout=60) as server:
    with socket.create_connection(server.address) as silent:  # its handshake keeps nobody waiting
        tasks = [spawn(secret, n) for n in range(30)]
        assert [task.wait() for task in tasks] == [b"%d" % n for n in range(30)]
    try:
        secret(1, ssl.create_default_context())
    except ssl.SSLCertVerificationError:
        pass
    else:
        raise AssertionError("trusted")
    try:
        assert ask(server.address, b"GET / HTTP/1.1").startswith(b"GET") is False, "plain text is no handshake"
    except ConnectionResetError:
        pass
    assert secret(31) == b"31" and len(seen) == 31 and set(seen) <= {"TLSv1.2", "TLSv1.3"}, seen
""",
    "tls_with_a_slow_client_is_given_up": """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with StreamServer(("127.0.0.1", 0), echo, ssl_context=context, handshake_timeout=0.05) as server:
    with socket.create_connection(server.address) as silent:
        silent.settimeout(60)
        assert silent.recv(1) == b""
""",
    "what_is_wrong_is_said": """
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
server = StreamServer(taken.getsockname(), echo)
try:
    server.start()
except OSError as error:
    assert error.errno == errno.EADDRINUSE
else:
    raise AssertionError("the port was taken")
try:
    StreamServer(("127.0.0.1", 0), "no handler")
except TypeError:
    pass
server = StreamServer(("127.0.0.1", 0), echo)
try:
    server.listener
except RuntimeError:
    pass
server.start()
try:
    server.start()
except RuntimeError:
    pass
else:
    raise AssertionError("started twice")
server.stop()
""",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_server(name: str, python: Any) -> None:
    done = python(
        "-W", "error::ResourceWarning", "-c", f"TLS = {str(TLS)!r}" + PRELUDE + SCENARIOS[name] + "\nprint('pass')\n"
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1:] == ["pass"], done.stdout + done.stderr
