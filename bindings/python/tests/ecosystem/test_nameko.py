"""nameko's services: HTTP entrypoints, timers, workers side by side, a container that is killed. Without a message broker."""

from __future__ import annotations

from typing import Any

from conftest import once

from ecosystem.apart import path_with

pytestmark = once

PROGRAM = """
import eventlet
eventlet.monkey_patch()
import socket, time, urllib.error, urllib.request
from nameko.containers import ServiceContainer
from nameko.timer import timer
from nameko.web.handlers import http

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"
ticks, running, most = [], [0], [0]

class Service:
    name = "service"

    @http("GET", "/double/<int:number>")
    def double(self, request, number):
        running[0] += 1
        most[0] = max(most[0], running[0])
        while most[0] <= 5:  # until so many run at a time
            time.sleep(0.01)
        running[0] -= 1
        return str(number * 2)

    @http("POST", "/echo")
    def echo(self, request):
        return request.get_data(as_text=True).upper()

    @http("GET", "/fail")
    def fail(self, request):
        raise KeyError("no")

    @timer(interval=0.005)
    def tick(self):
        ticks.append(1)

container = ServiceContainer(Service, config={"WEB_SERVER_ADDRESS": f"127.0.0.1:{port}", "max_workers": 10})
container.start()

def ask(path, data=None):
    return urllib.request.urlopen(url + path, data, timeout=60).read().decode()

pool = eventlet.GreenPool(30)
assert list(pool.imap(ask, [f"/double/{number}" for number in range(30)])) == [str(number * 2) for number in range(30)]
assert 5 < most[0] <= 10, most
assert ask("/echo", b"hello") == "HELLO"
try:
    ask("/fail")
    raise AssertionError
except urllib.error.HTTPError as error:
    assert error.code == 500
with eventlet.Timeout(60):
    while len(ticks) < 3:
        eventlet.sleep(0.005)
container.stop()
container.wait()

class Long:
    name = "long"

    @timer(interval=0, eager=True)
    def run(self):
        time.sleep(1000)

container = ServiceContainer(Long, config={})
container.start()
eventlet.sleep(0.02)
container.kill()
container.wait()
print("pass")
"""


def test_a_service(python: Any) -> None:
    result = python("-W", "ignore", "-c", PROGRAM, PYTHONPATH=path_with("nameko"))
    assert (result.returncode, result.stdout) == (0, "pass\n"), f"{result.stdout}\n{result.stderr}"
