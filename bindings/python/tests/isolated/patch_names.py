"""Resolver functions, patched: results and errors are CPython's own, other tasks run meanwhile, names in addresses are looked up too."""

import socket
import sys
import threading
import time
from socket import getaddrinfo  # taken before the patch

import greenrt
from greenrt import monkey

NAMES = ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")
originals = {name: monkey.original(f"_socket.{name}") for name in NAMES}
monkey.patch_all()
import _socket

assert getaddrinfo is socket.getaddrinfo and all(monkey.is_patched(f"_socket.{name}") for name in NAMES)


def outcome(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except Exception as error:
        return type(error), error.args, str(error)


class Index:
    def __index__(self):
        return 80


CALLS = [
    ("getaddrinfo", ("localhost", 80)),
    ("getaddrinfo", ("localhost", "http")),
    ("getaddrinfo", (b"localhost", b"http", socket.AF_INET)),
    ("getaddrinfo", ("localhost", None, socket.AF_INET6)),
    ("getaddrinfo", ("localhost", 0, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)),
    ("getaddrinfo", ("localhost", 80, 0, socket.SOCK_DGRAM, socket.IPPROTO_UDP)),
    ("getaddrinfo", (None, "http")),
    ("getaddrinfo", (None, 80, 0, 0, 0, socket.AI_PASSIVE)),
    ("getaddrinfo", ("127.0.0.1", 80)),
    ("getaddrinfo", ("::1", 80, socket.AF_INET6, socket.SOCK_STREAM)),
    ("getaddrinfo", ("127.1", 80)),
    ("getaddrinfo", ("no.such.host.invalid", 80)),
    ("getaddrinfo", ("b\xfccher.invalid", 80)),
    ("getaddrinfo", ("localhost", "no-such-service")),
    ("getaddrinfo", ("localhost", 80, 9999)),
    ("getaddrinfo", ("localhost", 80, 0, 9999)),
    ("getaddrinfo", ("localhost", 80, 0, 0, 0, 1 << 20)),
    ("getaddrinfo", ("127.0.0.1", 80, socket.AF_INET6)),
    ("getaddrinfo", (None, None)),
    ("getaddrinfo", ("", 80)),
    ("getaddrinfo", ("a" * 70, 80)),
    ("getaddrinfo", ("a..b", 80)),
    ("getaddrinfo", ("x" * 300, 80)),
    ("getaddrinfo", ("local\0host", 80)),
    ("getaddrinfo", ("localhost", 1 << 70)),
    ("getaddrinfo", ("localhost", 65536 * 3 + 80)),
    ("getaddrinfo", ("localhost", 80.5)),
    ("getaddrinfo", ("localhost", Index())),
    ("getaddrinfo", ("localhost", True)),
    ("getaddrinfo", (7, 80)),
    ("getaddrinfo", ("localhost",)),
    ("getaddrinfo", ("localhost", 80, "x")),
    ("getaddrinfo", (bytearray(b"localhost"), 80)),
    ("gethostbyname", ("localhost",)),
    ("gethostbyname", (b"localhost",)),
    ("gethostbyname", (bytearray(b"localhost"),)),
    ("gethostbyname", ("127.0.0.1",)),
    ("gethostbyname", ("::1",)),
    ("gethostbyname", ("",)),
    ("gethostbyname", ("<broadcast>",)),
    ("gethostbyname", ("no.such.host.invalid",)),
    ("gethostbyname", ("lo\0calhost",)),
    ("gethostbyname", (7,)),
    ("gethostbyname", ()),
    ("gethostbyname_ex", ("localhost",)),
    ("gethostbyname_ex", ("127.0.0.1",)),
    ("gethostbyname_ex", ("no.such.host.invalid",)),
    ("gethostbyname_ex", (None,)),
    ("gethostbyaddr", ("127.0.0.1",)),
    ("gethostbyaddr", ("::1",)),
    ("gethostbyaddr", ("localhost",)),
    ("gethostbyaddr", ("192.0.2.77",)),
    ("gethostbyaddr", ("no.such.host.invalid",)),
    ("gethostbyaddr", ("",)),
    ("gethostbyaddr", ("<broadcast>",)),
    ("gethostbyaddr", (7,)),
    ("getnameinfo", (("127.0.0.1", 80), 0)),
    ("getnameinfo", (("127.0.0.1", 80), socket.NI_NUMERICHOST)),
    ("getnameinfo", (("127.0.0.1", 80), socket.NI_NUMERICSERV)),
    ("getnameinfo", (("127.0.0.1", 53), socket.NI_DGRAM)),
    ("getnameinfo", (("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)),
    ("getnameinfo", (("::1", 80, 0, 0), 0)),
    ("getnameinfo", (("192.0.2.77", 9), 0)),
    ("getnameinfo", (("192.0.2.77", 9), socket.NI_NAMEREQD)),
    ("getnameinfo", (("localhost", 80), 0)),
    ("getnameinfo", (("127.0.0.1", "x"), 0)),
    ("getnameinfo", (("127.0.0.1", 80, 1 << 30, 0), 0)),
    ("getnameinfo", (("127.0.0.1", 80, 1, 1), 0)),
    ("getnameinfo", (("127.0.0.1",), 0)),
    ("getnameinfo", (["127.0.0.1", 80], 0)),
    ("getnameinfo", (("127.0.0.1", 80), "x")),
    ("getnameinfo", ()),
]


def compare():
    """Each call twice: CPython's own, patched."""
    for name, arguments in CALLS:
        expected = outcome(originals[name], *arguments)
        got = outcome(getattr(_socket, name), *arguments)
        assert got == expected, (name, arguments, expected, got)
        if type(expected) is list:
            assert [list(map(type, a)) for a in got] == [list(map(type, e)) for e in expected]
    named = {"host": "localhost", "port": 80, "type": socket.SOCK_STREAM}
    assert getaddrinfo(**named) == originals["getaddrinfo"](**named)
    return True


assert compare() and greenrt.spawn(compare).wait(60)

# The thread goes on with other tasks; many lookups at once are many answers.
ticks = [0]


def ticker():
    while True:
        ticks[0] += 1
        greenrt.sleep(0)


ticking = greenrt.spawn(ticker)


def meanwhile(call):
    """The result of a call during which others run; an answer may be there before the task has parked, so not each time."""
    for _ in range(1000):
        before = ticks[0]
        result = call()
        if ticks[0] > before:
            return result
    raise AssertionError("nobody ran meanwhile")


expected = originals["getaddrinfo"]("localhost", 80)
assert meanwhile(lambda: getaddrinfo("localhost", 80)) == expected
for call in (
    lambda: socket.gethostbyname("localhost"),
    lambda: socket.gethostbyname_ex("localhost"),
    lambda: socket.gethostbyaddr("127.0.0.1"),
    lambda: socket.getnameinfo(("127.0.0.1", 80), 0),
):
    meanwhile(call)
many = [greenrt.spawn(getaddrinfo, "localhost", 80) for _ in range(2000)]
assert all(task.wait(60) == expected for task in many)

# Names in the addresses that sockets are given
for timeout in (None, 5):

    def bound():
        made = socket.socket()
        made.bind(("localhost", 0))
        return made

    listener = meanwhile(bound)
    listener.listen()
    client = socket.socket()
    client.settimeout(timeout)
    client.connect(("localhost", listener.getsockname()[1]))
    assert client.getpeername() == listener.getsockname()
    client.close()
    client = socket.socket()
    assert client.connect_ex((b"localhost", listener.getsockname()[1])) == 0
    client.close()
    with socket.create_connection(("localhost", listener.getsockname()[1]), timeout) as client:
        assert client.getpeername() == listener.getsockname()
    listener.close()
for blocking in (True, False):
    one, two = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    one.bind(("localhost", 0))
    two.setblocking(blocking)
    port = one.getsockname()[1]
    assert two.sendto(b"a", ("localhost", port)) == 1 and one.recv(9) == b"a"
    assert two.sendto(b"b", 0, ("localhost", port)) == 1 and one.recv(9) == b"b"
    assert two.sendmsg([b"c"], [], 0, ("localhost", port)) == 1 and one.recv(9) == b"c"
    two.connect(("localhost", port))
    assert two.getpeername() == one.getsockname()
    one.close()
    two.close()
original_connect = monkey.original("_socket.socket.connect")
for address in (
    ("no.such.host.invalid", 1),
    ("a\0b", 1),
    ("x" * 300, 1),
    (7, 1),
    ("localhost", "x"),
    ("localhost", 1 << 20),
    ("localhost",),
    ("localhost", 1, 2),
    "localhost",
    None,
):
    with socket.socket() as a, socket.socket() as b:
        assert outcome(a.connect, address) == outcome(original_connect, b, address), address
        for refused in (a.connect_ex, a.bind):
            kind = outcome(refused, address)[0]
            assert issubclass(kind, Exception), address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            assert issubclass(outcome(c.sendto, b"x", address)[0], Exception), address

# The auditing hooks hear what CPython tells them
heard = []
sys.addaudithook(lambda event, args: heard.append((event, args)) if event.startswith("socket.get") else None)
for name, arguments in (
    ("getaddrinfo", ("localhost", 80)),
    ("gethostbyname", ("localhost",)),
    ("gethostbyname_ex", ("localhost",)),
    ("gethostbyaddr", ("127.0.0.1",)),
):
    heard.clear()
    originals[name](*arguments)
    expected = list(heard)
    heard.clear()
    getattr(_socket, name)(*arguments)
    assert heard == expected and heard, (name, heard, expected)

# A real OS thread uses CPython's own
answers = []
real = monkey.original("_thread.start_new_thread")
done = threading.Event()
real(lambda: (answers.append(getaddrinfo("localhost", 80)), done.set()), ())
assert done.wait(60) and answers == [getaddrinfo("localhost", 80)]

# A timeout and a kill leave the lookup behind
for _ in range(50):
    task = greenrt.spawn(getaddrinfo, "localhost", 80)
    greenrt.sleep(0)
    task.kill()
    try:
        with greenrt.Timeout(0):
            getaddrinfo("localhost", 80)
            time.sleep(1)
        raise AssertionError
    except greenrt.Timeout:
        pass
assert getaddrinfo("localhost", 80)
ticking.kill()
monkey.unpatch()
before = ticks[0]
assert socket.gethostbyname("localhost") == "127.0.0.1" and ticks[0] == before
print("pass")
