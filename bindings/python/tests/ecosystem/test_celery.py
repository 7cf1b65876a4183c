"""Celery's worker with its own eventlet pool, `celery worker -P eventlet`: eventlet is the drop-in, found on PYTHONPATH."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import environment, once

from ecosystem.apart import path_with

pytestmark = [
    once,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server"),
]

TASKS = """
import os, time
from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.worker_prefetch_multiplier = 4

napping = most = 0

@app.task
def nap(number):
    # Until more than two have napped at a time.
    global napping, most
    napping += 1
    most = max(most, napping)
    time.sleep(0.1)
    while most <= 2:
        time.sleep(0.01)
    napping -= 1
    return number * 2

@app.task
def fail():
    raise KeyError("no")

@app.task
def where():
    import eventlet, threading
    return [eventlet.__version__, len(os.listdir("/proc/self/task"))]

@app.task
def forever():
    time.sleep(1000)
"""

CLIENT = """
import time, tasks
results = [tasks.nap.delay(number) for number in range(60)]
assert [result.get(timeout=60) for result in results] == [number * 2 for number in range(60)], "they nap side by side"
try:
    tasks.fail.delay().get(timeout=60)
except KeyError as error:
    assert "no" in str(error)
version, threads = tasks.where.delay().get(timeout=60)
assert "greenrt" in version, version
assert tasks.nap.apply_async((5,), countdown=0.2).get(timeout=60) == 10
for ask in tasks.app.control.pool_grow, tasks.app.control.pool_shrink:
    answers = [answer for answers in ask(2, reply=True, timeout=10) for answer in answers.values()]
    assert answers and all("ok" in answer for answer in answers), answers
doomed = tasks.forever.delay()
end = time.monotonic() + 60
while doomed.state != "STARTED" and time.monotonic() < end:
    if doomed.id in str(tasks.app.control.inspect(timeout=1).active()):
        break
doomed.revoke(terminate=True)
try:
    doomed.get(timeout=60)
except Exception as error:
    assert "revoked" in type(error).__name__.lower() or "terminated" in str(error), repr(error)
print("pass")
"""


def wait_for(seen: Any, what: str) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


def test_a_worker_with_the_eventlet_pool(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    path = path_with("celery", str(tmp_path))
    env = {**environment(BROKER=f"redis+socket://{tmp_path}/redis.sock"), "PYTHONPATH": path}
    redis = ["redis-server", "--port", "0", "--unixsocket", str(tmp_path / "redis.sock"), "--save", ""]
    log = tmp_path / "worker.log"
    worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "eventlet", "-c", "30", "-l", "INFO"]
    with subprocess.Popen(redis, stdout=subprocess.DEVNULL, cwd=tmp_path) as server, log.open("w") as out:
        try:
            wait_for((tmp_path / "redis.sock").exists, "redis")
            with subprocess.Popen(worker, env=env, stdout=out, stderr=out, cwd=tmp_path) as running:
                try:
                    wait_for(lambda: " ready." in log.read_text() or running.poll() is not None, "the worker")
                    assert running.poll() is None, log.read_text()
                    asked = subprocess.run(
                        [sys.executable, "-c", CLIENT],
                        env=env,
                        cwd=tmp_path,
                        capture_output=True,
                        text=True,
                        timeout=400,
                        check=False,
                    )
                    assert asked.stdout == "pass\n", f"{asked.stdout}{asked.stderr}\n{log.read_text()}"
                    running.send_signal(signal.SIGTERM)
                    assert running.wait(60) == 0, log.read_text()
                finally:
                    running.kill()
        finally:
            server.kill()
    assert "Warm shutdown" in log.read_text()
