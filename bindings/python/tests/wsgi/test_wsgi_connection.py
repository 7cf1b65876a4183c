"""The builtin Connection by itself: what it does with wrong calls, with tasks that are killed, and with other tasks."""

from __future__ import annotations

import pytest
from conftest import run_python

PRELUDE = """
import errno, gc, socket, weakref
import greenrt
from greenrt import monkey
from greenrt._core.http import Connection, Limits, Settled
monkey.patch("socket", "select")
LIMITS = Settled.of(Limits())
GET = b"GET /a%20b?c HTTP/1.1\\r\\nHost: x\\r\\nX-Y: z\\r\\n\\r\\n"

def pair(sent=b"", **more):
    ours, client = socket.socketpair()
    client.sendall(sent)
    return Connection(ours.fileno(), LIMITS, {"base": 1}, **more), client, ours

def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        assert type(error) is kind or kind in (OSError, BaseException), error
        return error
    raise AssertionError(f"{kind} was not raised")
"""

SCENARIOS = {
    "it_is_made_of_the_right_things": """
for wrong in [(), (0,), (0, LIMITS), (0, LIMITS, []), (0, LIMITS, {}, 1, 2, 3), ("x", LIMITS, {}), (None, LIMITS, {})]:
    raises(TypeError, Connection, *wrong)
for wrong in [(0, (1, 2), {}), (0, (-1,) * 10, {}), (0, (1,) * 9, {})]:
    raises(ValueError, Connection, *wrong)
raises(OSError, Connection, 10_000, LIMITS, {})
""",
    "one_that_is_not_made_or_closed_says_so": """
closed, client, ours = pair(GET)
closed.close()
closed.close()
for connection in (closed, Connection.__new__(Connection)):
    for name, args in dict(request=(), read=(1,), take=(), respond=("200 OK", [], b""), start=("200 OK", []), write=(b"",), finish=(),
                           detach=(None, []), abort=(), headers=(), start_response=("200 OK", []), answer=([b""],)).items():
        assert "closed" in str(raises(ValueError, getattr(connection, name), *args)), name
    assert (connection.status, connection.sent, connection.keep_alive, connection.has_body) == (0, 0, False, False)
    repr(connection)
""",
    "a_request_and_its_answer": """
connection, client, ours = pair(GET)
environ = connection.request()
assert environ["base"] == 1 and environ["PATH_INFO"] == "/a b" and environ["HTTP_X_Y"] == "z" and environ["QUERY_STRING"] == "c"
assert connection.target == "/a%20b?c" and connection.headers() == [("Host", "x"), ("X-Y", "z")]
assert not connection.has_body and connection.read(10) == b""
assert not connection.started and connection.keep_alive
raises(OSError, connection.request)
connection.respond("404 Gone away", [("X-A", "caf\\xe9")], bytearray(b"body"))
assert connection.started and connection.status == 404 and connection.sent == 4
got = client.recv(1000)
assert got.startswith(b"HTTP/1.1 404 Gone away\\r\\n") and b"\\r\\nX-A: caf\\xe9\\r\\n" in got and got.endswith(b"\\r\\n\\r\\nbody")
raises(ValueError, connection.respond, "200 OK", [], b"")
client.close()
assert connection.request() is None and connection.status == 0
""",
    "the_environ_is_fresh_each_time": """
connection, client, ours = pair(GET * 5)
seen = []
for number in range(5):
    environ = connection.request()
    assert "stain" not in environ and environ["PATH_INFO"] == "/a b" and environ["HTTP_X_Y"] == "z"
    environ["stain"] = environ["PATH_INFO"] = number
    seen.append(environ)
    connection.respond("200 OK", [], b"")
assert len({id(environ) for environ in seen}) == 5
client.sendall(GET.replace(b"z", b"w"))
assert connection.request()["HTTP_X_Y"] == "w"
""",
    "what_cannot_be_sent": """
connection, client, ours = pair(GET)
connection.request()
for status in ("", "200", "20 OK", "abc OK", "100 Continue", "200 O\\nK", "200 \\u20ac"):
    raises(BaseException, connection.respond, status, [], b"")
for headers in (5, [5], [("a",)], [("a", "b", "c")], [("a", 5)], [(b"a", "b")], [("a b", "c")], [("a", "b\\r\\nc: d")], [("a", "\\u20ac")]):
    raises(BaseException, connection.respond, "200 OK", headers, b"")
raises(TypeError, connection.respond, "200 OK", [], "text")
raises(ValueError, connection.write, b"")
raises(ValueError, connection.finish)
raises(ValueError, connection.respond, "200 OK", [("Content-Length", "3")], b"four")
assert not connection.started
connection.start("200 OK", [("Content-Length", "3")])
raises(ValueError, connection.write, b"four")
connection.write(memoryview(b"thr"))
assert client.recv(1000).endswith(b"\\r\\n\\r\\nthr")
""",
    "an_answer_before_the_answer": """
ASKED = b"POST / HTTP/1.%d\\r\\nHost: a\\r\\nExpect: 100-continue\\r\\nContent-Length: 3\\r\\nConnection: keep-alive\\r\\n\\r\\n"
connection, client, ours = pair(ASKED % 1)
raises(ValueError, connection.inform, "103 Early Hints", [])
environ = connection.request()
assert connection.start_response("200 OK", [("X-Kept", "1")]) is None
assert connection.inform("103 Any reason", [("Link", "</a>")]) is True
assert client.recv(1000) == b"HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\n"
assert connection.inform("100 Continue", [("X-Mine", "1")]) is True
assert client.recv(1000) == b"HTTP/1.1 100 Continue\\r\\nX-Mine: 1\\r\\n\\r\\n"
client.sendall(b"abc")
assert connection.read(5) == b"abc" and not connection.started
for status in ("200 OK", "101 Switching Protocols", "99 No", "", "100 Con\\ntinue"):
    raises(ValueError, connection.inform, status, [])
for headers in (5, [("a", 5)], [("a", "b\\r\\nc: d")], [("Content-Length", "0")], [("Connection", "close")]):
    raises(BaseException, connection.inform, "103 Early Hints", headers)
raises(TypeError, connection.inform, "103 Early Hints")
assert connection.answer([b"body"])
got = client.recv(1000)
assert got.startswith(b"HTTP/1.1 200 OK\\r\\n") and b"\\r\\nX-Kept: 1\\r\\n" in got and b"close" not in got
raises(ValueError, connection.inform, "103 Early Hints", [])
client.sendall(ASKED % 0)
connection.request()
assert connection.inform("103 Early Hints", []) is False
connection.close()
raises(ValueError, connection.inform, "103 Early Hints", [])
""",
    "a_second_init_keeps_nothing_of_the_first": """
import gc, sys
connection, client, ours = pair(GET)
connection.close()
kept = [object() for _ in range(4)]
before = [sys.getrefcount(each) for each in kept]
for _ in range(50):
    connection.use(kept[0], kept[1])
    raises(TypeError, connection.__init__, None, LIMITS, {})
    connection.use(kept[0], kept[1])
    raises(BaseException, connection.__init__, None, (1 << 62,) * 9, {}, kept[2], kept[3])
    raises(BaseException, connection.__init__, None, (1 << 62,) * 9, {}, kept[2], kept[3])
connection.__init__(None, LIMITS, {}, kept[2], kept[3])
connection.close()
gc.collect()
assert [sys.getrefcount(each) for each in kept] == before
""",
    "unusual_calls_go_to_somebody_else": """
connection, client, ours = pair(GET)
calls = []
def otherwise(*args, **kwargs):
    calls.append((args, kwargs))
    return "otherwise"
connection.use(otherwise, "writer")
connection.request()
assert connection.start_response("200 OK", [("Connection", "close")]) == "otherwise"
assert connection.start_response("200 OK", [("A", "b")], None) == "otherwise"
assert connection.start_response("200 OK", (), exc_info=5) == "otherwise"
assert calls.pop() == (("200 OK", ()), {"exc_info": 5})
assert not connection.answer([b"x"])
assert connection.start_response("200 OK", [("Content-Length", "1")]) == "writer"
assert connection.announced == 1
assert connection.start_response("200 OK", []) == "otherwise"
for result in ([], [b"a", b"b"], ["a"], [bytearray(b"a")], iter([b"a"]), None, [b"two"]):
    assert connection.answer(result) is False
assert connection.take() == ("200 OK", [("Content-Length", "1")])
assert connection.take() is None and connection.announced == -1
assert connection.start_response("200 OK", [("Content-Length", "1")]) == "writer"
assert connection.answer((b"x",)) is True
assert client.recv(1000).endswith(b"x")
""",
    "calls_before_use": """
connection, client, ours = pair(GET)
connection.request()
raises(TypeError, connection.start_response, "200 OK", [], None)
assert connection.start_response("200 OK", []) is None
assert connection.answer([b"x"])
""",
    "bytes_that_close_it_when_they_are_asked_for": """
class Closes:  # asked from Python 3.12 on; no bytes before
    def __buffer__(self, flags):
        connection.close()
        return memoryview(b"x")
for call in ("respond", "write"):
    connection, client, ours = pair(GET)
    connection.request()
    args = ["200 OK", []] if call == "respond" else []
    raises(BaseException, getattr(connection, call), *args, Closes())
""",
    "headers_may_change_behind_its_back": """
connection, client, ours = pair(GET)
connection.use(None, None)
connection.request()
headers = [("X-" + "a" * 50, "b" * 50) for _ in range(20)]
connection.start_response("2" + "00 OK", headers)
headers.clear()
gc.collect()
assert connection.answer([b"x"])
assert client.recv(10_000).count(b"b" * 50) == 20
""",
    "it_belongs_to_one_task_at_a_time": """
connection, client, ours = pair()
task = greenrt.spawn(connection.request)
greenrt.sleep(0)
for call in (connection.request, connection.close):
    assert raises(OSError, call).errno == errno.EBUSY
client.sendall(GET)
assert task.wait()["PATH_INFO"] == "/a b"
connection.close()
""",
    "nobody_sees_a_request_whose_place_is_being_read_into": """
connection, client, ours = pair(GET.replace(b"z", b"z" * 4000) + GET.replace(b"z", b"z" * 4000))
connection.request()
raises(OSError, connection.request)
assert connection.target == "/a%20b?c" and len(connection.headers()) == 2
connection.respond("200 OK", [], b"")
connection.request()
connection.respond("200 OK", [], b"")
task = greenrt.spawn(connection.request)
greenrt.sleep(0)
raises(OSError, connection.request)
assert (connection.target, connection.headers()) == ("", [])
task.kill()
assert (connection.target, connection.headers()) == ("", [])
client.sendall(GET)
connection.request()
assert connection.target == "/a%20b?c" and len(connection.headers()) == 2
""",
    "a_task_that_is_killed_leaves_it_whole": """
connection, client, ours = pair()
task = greenrt.spawn(connection.request)
greenrt.sleep(0)
task.kill()
with greenrt.Timeout(0.01, False):
    connection.request()
client.sendall(GET)
assert connection.request()["PATH_INFO"] == "/a b"
connection.respond("200 OK", [], b"")
client.sendall(b"POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 3\\r\\n\\r\\n")
connection.request()
with greenrt.Timeout(0.01, False):
    connection.read(3)
client.sendall(b"abc")
assert connection.read(3) == b"abc"
""",
    "functions_that_read_and_write": """
ours, client = socket.socketpair()
connection = Connection(None, LIMITS, {}, ours.recv, ours.send)
client.sendall(GET)
assert connection.request()["PATH_INFO"] == "/a b"
connection.respond("200 OK", [], b"x")
assert client.recv(1000).endswith(b"x")
task = greenrt.spawn(connection.request)
greenrt.sleep(0)
task.kill()
client.sendall(GET)
assert connection.request()["PATH_INFO"] == "/a b"
def bad(*_):
    raise LookupError("mine")
for recv in (bad, lambda n: "text", lambda n: b"x" * (n + 1), lambda n: None):
    other = Connection(None, LIMITS, {}, recv, ours.send)
    if recv is bad:
        raises(LookupError, other.request)
    else:
        assert other.request() is None
for send in (bad, lambda data: None, lambda data: -1, lambda data: len(data) + 1):
    client.sendall(GET)
    other = Connection(None, LIMITS, {}, ours.recv, send)
    other.request()
    error = raises(BaseException, other.respond, "200 OK", [], b"x")
    assert isinstance(error, LookupError if send is bad else (OSError, TypeError)), error
""",
    "it_is_collected": """
connection, client, ours = pair(GET * 3)
connection.use(lambda *_: connection, lambda *_: connection)
base = connection.request()
connection.respond("200 OK", [], b"")
other, *rest = pair(GET, )
class Holder(dict):
    pass
environ = {"greenrt.connection": None}
third = Connection(ours.fileno(), LIMITS, environ)
environ["greenrt.connection"] = third
gone = [weakref.ref(connection), weakref.ref(third)]
del connection, third, environ, base
gc.collect()
assert [ref() for ref in gone] == [None, None]
""",
    "leaving_http": """
connection, client, ours = pair(GET.replace(b"X-Y: z", b"Connection: Upgrade\\r\\nUpgrade: x") + b"early")
connection.request()
raises(BaseException, connection.detach, "200 OK", [])
assert connection.detach("101 Switching Protocols", [("Upgrade", "x")]) == b"early"
assert connection.detached and not connection.keep_alive
assert client.recv(1000).startswith(b"HTTP/1.1 101 Switching Protocols\\r\\n")
raises(BaseException, connection.respond, "200 OK", [], b"")
ours.settimeout(60)
ours.sendall(b"by the socket")
assert client.recv(100) == b"by the socket"
silent, client, ours = pair(GET + b"more")
silent.request()
assert silent.detach(None, []) == b"more"
""",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_connection(name: str) -> None:
    done = run_python("-X", "faulthandler", "-c", PRELUDE + SCENARIOS[name] + "\nprint('pass')\n")
    assert (done.returncode, done.stdout) == (0, "pass\n"), done.stdout + done.stderr
