"""gunicorn's own eventlet worker, `-k eventlet`, as it was up to version 25: eventlet is the drop-in, found on PYTHONPATH."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from conftest import environment, once

from ecosystem.apart import path_with

pytestmark = once

APP = """
import os, time

def app(environ, start_response):
    import eventlet
    assert "greenrt" in eventlet.__version__
    if environ["PATH_INFO"] == "/slow":
        # Until more are inside than there are workers; what was counted stays.
        open("inside-" + environ["HTTP_NUMBER"], "w").close()
        while sum(name.startswith("inside-") for name in os.listdir(".")) <= 6:
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/fail":
        raise KeyError("no")
    body = environ["wsgi.input"].read() or b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


def ask(path: Path, target: str, body: bytes = b"", number: int = 0) -> tuple[str, bytes]:
    """One request: the status line, and the body."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nNumber: {number}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        answer = b""
        while data := client.recv(65536):
            answer += data
    head_bytes, _, content = answer.partition(b"\r\n\r\n")
    return head_bytes.split(b"\r\n")[0].decode(), content


def wait_for(seen: Any, log: Path) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def test_the_eventlet_worker_of_gunicorn(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(APP)
    env = {**environment(), "PYTHONPATH": path_with("gunicorn", str(tmp_path)), "HOME": str(tmp_path)}
    place, log = tmp_path / "socket", tmp_path / "log"
    line = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "gunicorn",
        "-k",
        "eventlet",
        "-w",
        "2",
        "-b",
        f"unix:{place}",
        "program:app",
    ]
    with log.open("w") as out, subprocess.Popen(line, env=env, stdout=out, stderr=out, cwd=tmp_path) as master:
        try:
            wait_for(lambda: log.read_text().count("Booting worker") == 2 and place.exists(), log)
            pid = ask(place, "/")[1]
            assert pid != str(master.pid).encode()
            assert ask(place, "/echo", b"x" * 200_000) == ("HTTP/1.1 200 OK", b"x" * 200_000)
            assert ask(place, "/fail")[0] == "HTTP/1.1 500 Internal Server Error"
            with ThreadPoolExecutor(20) as pool:
                answers = [pool.submit(ask, place, "/slow", number=number) for number in range(20)]
                assert all(answer.result()[0] == "HTTP/1.1 200 OK" for answer in answers), (
                    "a worker serves many at a time"
                )
            master.send_signal(signal.SIGHUP)
            wait_for(lambda: log.read_text().count("Worker exiting") >= 2, log)
            assert ask(place, "/")[1] != pid
            os.kill(int(ask(place, "/")[1]), signal.SIGKILL)
            wait_for(lambda: log.read_text().count("Booting worker") >= 5, log)
            assert ask(place, "/")[0] == "HTTP/1.1 200 OK"
            master.send_signal(signal.SIGTERM)
            assert master.wait(60) == 0, log.read_text()
        finally:
            master.kill()
