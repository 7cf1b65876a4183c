"""oslo.service on its eventlet backend: looping calls, thread groups, a service with its WSGI server, workers in processes."""

from __future__ import annotations

from typing import Any

from conftest import once

from ecosystem.apart import path_with

pytestmark = once

BEGIN = """
import eventlet
eventlet.monkey_patch()
import os, signal, threading, time, urllib.request
from oslo_service import backend
backend.init_backend(backend.BackendType.EVENTLET)
from oslo_config import cfg
from oslo_service import loopingcall, service, threadgroup, wsgi
conf = cfg.ConfigOpts()
conf([])
"""

LOOPS = """
ticks = []
calls = loopingcall.FixedIntervalLoopingCall(lambda: ticks.append(1))
calls.start(interval=0.005)
with eventlet.Timeout(60):
    while len(ticks) < 5:
        eventlet.sleep(0.005)
calls.stop()
calls.wait()

def until_done():
    if len(ticks) > 20:
        raise loopingcall.LoopingCallDone("done")
    ticks.append(1)

assert loopingcall.FixedIntervalLoopingCall(until_done).start(interval=0.001).wait() == "done"

group, order = threadgroup.ThreadGroup(10), []
for number in range(5):
    group.add_thread(lambda number=number: (time.sleep(0.01), order.append(number)))
group.add_timer(0.005, lambda: ticks.append("tick"))
with eventlet.Timeout(60):
    while len(order) < 5 or "tick" not in ticks:
        eventlet.sleep(0.005)
group.stop()
group.wait()
assert sorted(order) == [0, 1, 2, 3, 4] and len(os.listdir("/proc/self/task")) == 1
print("pass")
"""

SERVICE = """
wsgi.register_opts(conf)

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

class Service(service.Service):
    def start(self):
        super().start()
        self.server = wsgi.Server(conf, "hello", hello, host="127.0.0.1", port=0)
        self.server.start()
        self.tg.add_thread(self.ask)

    def ask(self):
        print(urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/", timeout=60).read().decode(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self, graceful=False):
        self.server.stop()
        self.server.wait()
        super().stop(graceful)
        print("stopped", flush=True)

service.launch(conf, Service()).wait()
print("pass")
"""

WORKERS = """
parent = os.getpid()
read, write = os.pipe()

class Service(service.Service):
    def start(self):
        super().start()
        self.ticks = 0
        self.tg.add_timer(0.005, self.tick)

    def tick(self):
        self.ticks += 1
        if self.ticks == 3:
            os.write(write, b"%d\\n" % os.getpid())

def watch():
    pids = set()
    while len(pids) < 2:
        pids |= set(os.read(read, 100).split())
    assert str(parent).encode() not in pids
    print("two workers", flush=True)
    os.kill(parent, signal.SIGTERM)

launcher = service.launch(conf, Service(), workers=2)
eventlet.spawn(watch)
launcher.wait()
print("pass")
"""


def check(python: Any, code: str, expected: str) -> None:
    result = python("-W", "ignore", "-c", BEGIN + code, PYTHONPATH=path_with("oslo.service"))
    assert result.stdout == expected, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    assert result.returncode == 0


def test_looping_calls_and_thread_groups(python: Any) -> None:
    check(python, LOOPS, "pass\n")


def test_a_service_with_a_wsgi_server(python: Any) -> None:
    check(python, SERVICE, "hello\nstopped\npass\n")


def test_workers_in_processes(python: Any) -> None:
    check(python, WORKERS, "two workers\npass\n")
