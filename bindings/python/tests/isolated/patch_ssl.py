"""TLS between tasks of one OS thread: handshake, reads, writes and closing wait without stopping the others."""

import errno
import gc
import http.server
import os
import signal
import socket
import ssl
import threading
import time
import urllib.request
from pathlib import Path

import greenrt
from greenrt import monkey

monkey.patch_all()
TLS = Path(__file__).resolve().parent.parent / "tls"
original = {name: monkey.original(f"_ssl._SSLSocket.{name}") for name in ("do_handshake", "read", "write", "shutdown")}


def server_context(name="localhost"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context


def client_context():
    return ssl.create_default_context(cafile=TLS / "ca.pem")


serving, asking = server_context(), client_context()


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{kind} expected")


def blocks(sock):
    return os.get_blocking(sock.fileno())


def pair(server=serving, client=asking, name="localhost"):
    """Two connected TLS sockets: both handshakes run on this OS thread, so neither may stop it."""
    a, b = socket.socketpair()
    task = greenrt.spawn(server.wrap_socket, a, server_side=True)
    b = client.wrap_socket(b, server_hostname=name)
    return task.wait(60), b


ticks = [0]


def ticker():
    while True:
        ticks[0] += 1
        time.sleep(0.001)


ticking = greenrt.spawn(ticker)

# There and back; sockets without a timeout stay in blocking mode
a, b = pair()
assert b.version().startswith("TLSv1.") and blocks(a) and blocks(b) and a.gettimeout() is None
waiting = greenrt.spawn(a.recv, 100)
greenrt.sleep(0.005)
assert not waiting.done and blocks(a)
b.sendall(b"hello")
assert waiting.wait(60) == b"hello"
big = os.urandom(3_000_000)


def take(sock, count):
    got = bytearray()
    while len(got) < count:
        piece = sock.recv(70000)
        assert piece
        got += piece
    return bytes(got)


def echo(sock, count):
    sock.sendall(take(sock, count))


# A large body each way at once: two tasks on each socket, one reads, one writes
readers = [greenrt.spawn(take, sock, len(big)) for sock in (a, b)]
writers = [greenrt.spawn(sock.sendall, big) for sock in (a, b)]
assert [task.wait(60) for task in readers] == [big, big]
for task in writers:
    task.wait(60)
assert blocks(a) and blocks(b)
buffer = bytearray(10)
greenrt.spawn_after(0.01, b.sendall, b"into")
before = ticks[0]
assert a.recv_into(buffer) == 4 and buffer[:4] == b"into" and ticks[0] > before

# Two tasks write on one socket, each record whole; two tasks read from one
readers = greenrt.spawn(take, b, 2 * 200 * 16000)


def write_many(letter):
    for _ in range(200):
        assert a.send(letter * 16000) == 16000


writers = [greenrt.spawn(write_many, letter) for letter in (b"x", b"y")]
got = readers.wait(60)
for task in writers:
    task.wait(60)
assert got.count(b"x") == got.count(b"y") == 200 * 16000
changes = sum(got[i : i + 1] != got[i - 1 : i] for i in range(16000, len(got), 16000))
assert all(got[i : i + 16000] in (b"x" * 16000, b"y" * 16000) for i in range(0, len(got), 16000)), changes
readers = [greenrt.spawn(b.recv, 1) for _ in range(10)]
greenrt.sleep(0)
for n in range(10):
    a.send(b"%d" % n)
    time.sleep(0.002)
assert sorted(task.wait(60) for task in readers) == [b"%d" % n for n in range(10)]

# Closing in order: unwrap on both sides gives the sockets back
task = greenrt.spawn(a.unwrap)
plain_b = b.unwrap()
plain_a = task.wait(60)
assert blocks(plain_a) and blocks(plain_b)
plain_a.sendall(b"plain")
assert plain_b.recv(10) == b"plain"
plain_a.close()
plain_b.close()

# Server names and protocols; a callback that waits
seen = []
other = server_context("other")


def named(sslsock, name, context):
    seen.append(name)
    time.sleep(0.01)
    if name == "other.example":
        sslsock.context = other


choosing = server_context()
choosing.sni_callback = named
for context in (choosing, other):
    context.set_alpn_protocols(["h2", "http/1.1"])
wanting = client_context()
wanting.set_alpn_protocols(["spdy/3", "http/1.1"])
for name in ("localhost", "other.example"):
    before = ticks[0]
    a, b = pair(choosing, wanting, name)
    assert ticks[0] > before and seen.pop() == name
    assert a.selected_alpn_protocol() == b.selected_alpn_protocol() == "http/1.1"
    assert b.getpeercert()["subject"] == ((("commonName", "localhost" if name == "localhost" else "other"),),)
    a.close()
    b.close()
choosing.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
task = greenrt.spawn(raises, ssl.SSLError, pair, choosing, wanting)
assert "HANDSHAKE_FAILURE" in str(task.wait(60)).upper().replace(" ", "_")

# A certificate that is not trusted
a, b = socket.socketpair()
task = greenrt.spawn(raises, ssl.SSLError, lambda: serving.wrap_socket(a, server_side=True).recv(1))
error = raises(
    ssl.SSLCertVerificationError, ssl.create_default_context().wrap_socket, b, False, True, True, "localhost"
)
assert error.verify_code
b.close()
task.wait(60)
a.close()

# Time is over: the exceptions are CPython's own
a, b = socket.socketpair()


def over(name, sslobj, *arguments):
    """What CPython raises, and what the replacement raises, for a call whose time is over."""
    method = getattr(type(sslobj), name)
    errors = [raises(OSError, function, sslobj, *arguments) for function in (original[name], method)]
    assert errors[0].args == errors[1].args and type(errors[0]) is type(errors[1]), errors
    return errors[1]


silent = asking.wrap_socket(b, server_hostname="localhost", do_handshake_on_connect=False)
silent.settimeout(0.03)
before = ticks[0]
error = over("do_handshake", silent._sslobj)
assert type(error) is socket.timeout and "handshake operation timed out" in str(error) and ticks[0] > before
assert silent.gettimeout() == 0.03
silent.settimeout(None)
for impatient in (silent.do_handshake, lambda: silent.do_handshake(True)):
    try:
        with greenrt.Timeout(0.02):
            impatient()
        raise AssertionError
    except greenrt.Timeout:
        assert blocks(silent) and silent.gettimeout() is None
silent.close()
a.close()
a, b = pair()
a.settimeout(0.03)
error = over("read", a._sslobj, 10)
assert type(error) is socket.timeout and error.args == ("The read operation timed out",)
error = raises(socket.timeout, a.recv, 10)
assert error.args == ("The read operation timed out",)
raises(socket.timeout, a.sendall, big)
error = over("write", a._sslobj, b"x" * 10)
assert error.args == ("The write operation timed out",)
a.close()
b.close()
a, b = pair()
a.settimeout(0.03)
error = over("shutdown", a._sslobj)
assert error.args == ("The read operation timed out",)
b.settimeout(5)
assert b.recv(1) == b""
b.close()
a.close()

# Non-blocking sockets, and TLS in memory, are CPython's business
a, b = pair()
a.settimeout(0)
raises(ssl.SSLWantReadError, a.recv, 1)
raises(ssl.SSLWantReadError, a.unwrap)
inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
raises(ssl.SSLWantReadError, asking.wrap_bio(inside, outside, server_hostname="localhost").do_handshake)
assert outside.pending
b.close()
raises(OSError, b.recv, 1)
a.close()

# A kill, a timeout, and a socket that another task closes
a, b = pair()
doomed = greenrt.spawn(a.recv, 1)
greenrt.sleep(0.005)
doomed.kill()
try:
    with greenrt.Timeout(0.01):
        a.recv(1)
    raise AssertionError
except greenrt.Timeout:
    pass
b.send(b"k")
assert a.recv(1) == b"k"
waiting = greenrt.spawn(a.recv, 1)
greenrt.sleep(0.005)
a.close()
error = raises(OSError, waiting.wait, 60)
assert error.errno == errno.EBADF, repr(error)
b.close()
stuck, b = pair()
filling = greenrt.spawn(stuck.sendall, big)
queued = greenrt.spawn(stuck.send, b"behind")
greenrt.sleep(0.005)
assert not filling.done and not queued.done
queued.kill()
filling.kill()
stuck.close()
b.close()


# A signal in the middle: the handler runs in the root, and the call goes on, or ends with what the handler raises
class Alarm(Exception):
    pass


handled = []


def handler(number, frame):
    handled.append(threading.get_ident() == threading.main_thread().ident)
    if len(handled) == 3:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Alarm


def rings(call, *arguments):
    """The alarm rings during the call, at the third time with an exception."""
    handled.clear()
    raises(Alarm, lambda: (signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01), call(*arguments)))
    assert handled == [True] * 3


signal.signal(signal.SIGALRM, handler)
a, b = pair()
rings(a.recv, 1)
c, d = socket.socketpair()
silent = asking.wrap_socket(d, server_hostname="localhost", do_handshake_on_connect=False)
rings(silent.do_handshake)
rings(a.sendall, big)
assert blocks(a) and a.gettimeout() is None
for sock in (a, b, c, silent):
    sock.close()
# Handlers that come while bytes move are not lost, and harm nothing
handled.clear()
signal.signal(signal.SIGALRM, lambda number, frame: handled.append(a.gettimeout()))
a, b = pair()
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
for _ in range(3):
    task = greenrt.spawn(echo, b, len(big))
    writing = greenrt.spawn(a.sendall, big)
    assert take(a, len(big)) == big
    task.wait(60)
    writing.wait(60)
signal.setitimer(signal.ITIMER_REAL, 0)
assert handled and set(handled) == {None}
a.close()
b.close()


# Many at once: a server of the standard library, clients that verify it by name
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while Server.peak <= 10:  # until so many requests overlap
            time.sleep(0.01)
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100
    active = peak = 0

    def process_request_thread(self, request, address):
        Server.active += 1
        Server.peak = max(Server.peak, Server.active)
        super().process_request_thread(request, address)
        Server.active -= 1

    def get_request(self):
        sock, address = super().get_request()
        return serving.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address


server = Server(("127.0.0.1", 0), Handler)
running = threading.Thread(target=server.serve_forever)
running.start()


def fetch(n):
    url = f"https://localhost:{server.server_port}/{n}"
    with urllib.request.urlopen(url, timeout=30, context=asking) as page:
        return page.read() == b"/%d" % n


clients = [greenrt.spawn(fetch, n) for n in range(40)]
assert all(task.wait(60) for task in clients) and Server.peak > 10, Server.peak
server.shutdown()
running.join()
server.server_close()

# A real OS thread keeps blocking
a, b = pair()
got = []
gate = threading.Event()
monkey.original("_thread.start_new_thread")(lambda: (got.append(a.recv(10)), gate.set()), ())
time.sleep(0.02)
assert got == []
b.send(b"thread")
assert gate.wait(60) and got == [b"thread"]
a.close()
b.close()
ticking.kill()
gc.collect()
monkey.unpatch()
assert type(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(inside, outside, server_hostname="x")) is ssl.SSLObject
print("pass")
