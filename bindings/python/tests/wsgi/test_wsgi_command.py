"""`python -m greenrt.wsgi`: workers, signals, reload, and what it says when it cannot start."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from conftest import environment, run_python
from wsgi_client import PATIENCE, TLS, Client

APP = """
import json, os, sys, time
VALUE = "first"
def app(environ, start):
    if environ["PATH_INFO"] == "/die":
        os._exit(9)
    if environ["PATH_INFO"] == "/slow":
        print("slow begun", file=sys.stderr, flush=True)
        connection, told = environ["greenrt.connection"], False
        while not os.path.exists("go"):
            if not told and not connection.keep_alive:
                told = True
                print("slow told", file=sys.stderr, flush=True)
            time.sleep(0.01)
    start("200 OK", [("Content-Type", "application/json")])
    found = {"pid": os.getpid(), "value": VALUE, "scheme": environ["wsgi.url_scheme"], "many": environ["wsgi.multiprocess"]}
    return [json.dumps(found).encode()]
def make():
    return app
class holder:
    inner = app
number = 5
"""
# For a server whose standard streams were closed.
STREAMS = """
def streams(environ, start):
    print("to nobody")
    print("to nobody", file=environ["wsgi.errors"], flush=True)
    start("200 OK", [])
    kinds = []
    for number in range(3):
        try:
            kinds.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            kinds.append("")
    return [json.dumps(kinds).encode()]
"""


class Command:
    """The program, running."""

    def __init__(self, folder: Path, *arguments: str, app: str = "prog") -> None:
        (folder / "prog.py").write_text(APP)
        self.folder = folder
        self.errors = folder / "stderr"
        self.out = folder / "stdout"
        with self.errors.open("w") as errors, self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "greenrt.wsgi", app, "--bind", "127.0.0.1:0", *arguments],
                env=environment(PYTHONDONTWRITEBYTECODE="1"),
                cwd=folder,
                stdout=out,
                stderr=errors,
            )
        found = self.wait_for(r"greenrt \S+ serves (\S+) \(process (\d+), (\d+) workers?; Ctrl-C ends it\)")
        self.url, self.pid, self.workers = found[1], int(found[2]), int(found[3])
        assert self.pid == self.process.pid
        self.address: Any = (
            self.url[5:] if self.url.startswith("unix:") else ("127.0.0.1", int(self.url.rpartition(":")[2]))
        )

    def begins_slow(self, client: Client) -> None:
        """A request that takes until go(). It says "slow told" when its worker is to stop."""
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        self.wait_for("slow begun")

    def go(self) -> None:
        (self.folder / "go").touch()

    def said(self) -> str:
        return self.errors.read_text()

    def wait_for(self, words: str) -> re.Match[str]:
        return self.wait(lambda: re.search(words, self.said()), words)

    def wait(self, what: Callable[[], Any], words: str = "") -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = what()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{words}: {self.said()}")

    def ask(self, path: str = "/") -> Any:
        with Client(self.address) as client:
            return json.loads(client.get(path).body)

    def ask_or_none(self, path: str = "/") -> Any:
        try:
            return self.ask(path)
        except (OSError, EOFError, ValueError):
            return None

    def pids(self) -> set[int]:
        return {found["pid"] for found in (self.ask_or_none() for _ in range(30)) if found}

    def end(self, number: Optional[int] = signal.SIGTERM) -> int:
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*arguments: str, **more: str) -> Command:
        started.append(Command(tmp_path, *arguments, **more))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_one_worker_and_sigterm(command: Callable[..., Command]) -> None:
    one = command()
    found = one.ask()
    assert (found["value"], found["many"], one.workers) == ("first", False, 1)
    assert found["pid"] != one.pid
    assert one.end() == 0
    with pytest.raises(ConnectionRefusedError):
        one.ask()


def test_workers_share_the_port_and_one_that_dies_is_replaced(command: Callable[..., Command]) -> None:
    two = command("--workers", "2", app="prog:make()")
    pids = two.wait(lambda: len(found := two.pids()) == 2 and found)
    assert two.ask()["many"]
    victim = next(iter(pids))
    os.kill(victim, signal.SIGKILL)
    two.wait_for(rf"worker {victim} ended \(SIGKILL\); another is started")
    assert two.wait(lambda: len(found := two.pids()) == 2 and victim not in found)


def test_hangup_starts_workers_anew_without_losing_a_request(command: Callable[..., Command]) -> None:
    one = command(app="prog:holder.inner")
    before = one.ask()["pid"]
    with Client(one.address) as client:
        one.begins_slow(client)
        (one.folder / "prog.py").write_text(APP.replace("first", "second"))
        one.process.send_signal(signal.SIGHUP)
        assert one.wait(lambda: (found := one.ask_or_none()) and found["value"] == "second" and found["pid"] != before)
        one.go()
        assert json.loads(client.reply().body)["pid"] == before


def test_a_new_worker_that_cannot_start_leaves_the_old_one(command: Callable[..., Command]) -> None:
    one = command()
    before = one.ask()["pid"]
    (one.folder / "prog.py").write_text("1 / 0")
    one.process.send_signal(signal.SIGHUP)
    one.wait_for("prog cannot be imported: ZeroDivisionError: division by zero")
    assert one.ask()["pid"] == before


def test_a_request_is_finished_before_the_end_and_a_second_signal_does_not_wait(
    command: Callable[..., Command],
) -> None:
    one = command()
    with Client(one.address) as client:
        one.begins_slow(client)
        one.process.send_signal(signal.SIGTERM)
        one.wait_for("slow told")
        one.go()
        assert client.reply().headers["connection"] == "close"
    assert one.end(None) == 0


def test_two_signals_end_it_at_once(command: Callable[..., Command]) -> None:
    (one := command()).folder.joinpath("prog.py")
    with Client(one.address) as client:
        one.begins_slow(client)
        one.process.send_signal(signal.SIGINT)
        one.wait_for("slow told")
        one.process.send_signal(signal.SIGINT)
        one.end(None)
        assert client.ended()


def test_workers_do_not_outlive_a_master_that_was_killed(command: Callable[..., Command]) -> None:
    one = command()
    worker = one.ask()["pid"]
    one.process.kill()
    one.process.wait()
    one.wait(lambda: not one.ask_or_none())

    def gone() -> bool:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return True
        return False

    one.wait(gone)


def test_reload(command: Callable[..., Command]) -> None:
    one = command("--reload")
    assert one.ask()["value"] == "first"
    (one.folder / "prog.py").write_text("syntax error")
    one.wait_for("prog.py changed")
    one.wait_for("prog cannot be imported: SyntaxError")
    assert one.ask()["value"] == "first"
    (one.folder / "prog.py").write_text(APP.replace("first", "the second"))
    assert one.wait(lambda: (found := one.ask_or_none()) and found["value"] == "the second")


def test_a_worker_that_ends_leaves_reloading_to_the_next(command: Callable[..., Command]) -> None:
    one = command("--reload")
    with Client(one.address) as client:
        one.begins_slow(client)
        (one.folder / "prog.py").write_text(APP.replace("first", "second"))
        one.wait_for("slow told")  # it is still there
        assert one.wait(lambda: (found := one.ask_or_none()) and found["value"] == "second")
        time.sleep(1)
        (one.folder / "prog.py").write_text(APP.replace("first", "the third"))
        assert one.wait(lambda: (found := one.ask_or_none()) and found["value"] == "the third")
        time.sleep(1)
        assert one.said().count("prog.py changed") == 2, one.said()
        one.go()
        assert client.reply().status == 200


def test_nobody_has_to_listen_to_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(APP)
    command = [sys.executable, "-m", "greenrt.wsgi", "prog", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = "127.0.0.1", int(process.stderr.readline().partition(" (")[0].rpartition(":")[2])
            process.stderr.close()
            pids = set()
            until = time.monotonic() + PATIENCE
            while len(pids) < 2 and time.monotonic() < until:
                with contextlib.suppress(OSError, EOFError), Client(address) as client:
                    pids.add(json.loads(client.get("/").body)["pid"])
                    client.get("/die")
                time.sleep(0.02)
            assert len(pids) == 2  # a worker that died was replaced
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(tmp_path: Path, closed: str) -> None:
    (tmp_path / "prog.py").write_text(APP + STREAMS)
    path = str(tmp_path / "here")
    line = f"exec {sys.executable} -m greenrt.wsgi prog:streams --bind unix:{path} {closed}"
    with subprocess.Popen(["sh", "-c", line], env=environment(), cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(OSError), Client(path) as client:
                    found = json.loads(client.get("/").body)
                    break
                time.sleep(0.02)
            assert process.poll() is None
        finally:
            process.terminate()
    # None of the three is somebody's connection, or anything else of the server's.
    assert not [kind for kind in found if kind.startswith(("socket:", "anon_inode:"))], found


def test_the_access_log_and_a_unix_socket(command: Callable[..., Command], tmp_path: Path) -> None:
    one = command("--access-log", "-", "--access-format", "combined", "--bind", f"unix:{tmp_path}/here", "--no-patch")
    assert one.ask("/page")["value"] == "first"
    assert one.wait(lambda: re.search(r'"GET /page HTTP/1.1" 200 \d+ "-" "-"', one.out.read_text()))
    one.end()
    assert not (tmp_path / "here").exists()


def test_tls(command: Callable[..., Command]) -> None:
    import ssl

    one = command("--certfile", str(TLS / "localhost.pem"))
    assert one.url.startswith("https://")
    with Client(one.address) as client:
        context = ssl.create_default_context(cafile=TLS / "ca.pem")
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        assert json.loads(client.get("/").body)["scheme"] == "https"


def cannot(tmp_path: Path, *arguments: str) -> str:
    """What it says, in one line, with exit code 1."""
    (tmp_path / "prog.py").write_text(APP)
    (tmp_path / "notpem").write_text("no certificate")
    address = () if "--bind" in arguments else ("--bind", "127.0.0.1:0")
    done = run_python("-m", "greenrt.wsgi", "--chdir", str(tmp_path), *arguments, *address)
    assert done.returncode == 1, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("greenrt.wsgi: ")
    return lines[0][14:]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere:app"], "there is no module 'nowhere': look at its name, or use --chdir or PYTHONPATH"),
        (["nowhere.deep:app"], "there is no module 'nowhere.deep': look at its name, or use --chdir or PYTHONPATH"),
        (["prog:nothing"], "module 'prog' has no 'nothing'; it has app, make"),
        (["prog:number"], "'prog:number' is no application: int cannot be called"),
        (["prog:make(1)"], "a call takes no arguments here: write prog:make()"),
        ([":app"], "no module in ':app': write module:app"),
        (["prog", "--bind", "here"], "not an address: 'here'; write host:port or unix:path"),
        (["prog", "--bind", "127.0.0.1:99999"], "not an address: '127.0.0.1:99999'; write host:port or unix:path"),
        (["prog", "--workers", "0"], "--workers is 1 or more"),
        (["prog", "--keyfile", "x"], "--keyfile needs --certfile"),
        (["prog", "--certfile", "absent.pem"], "cannot read absent.pem: No such file or directory"),
        (["prog", "--certfile", "notpem"], "notpem and notpem are no certificate with its key ("),
        (
            ["prog", "--bind", "unix:/nowhere/socket"],
            "cannot listen on unix:/nowhere/socket: No such file or directory; make the folder",
        ),
        (
            ["prog", "--bind", "192.0.2.1:0"],
            "cannot listen on 192.0.2.1:0: Cannot assign requested address; this machine has no such",
        ),
        (
            ["prog", "--access-format", "%(colour)s", "--access-log", "-"],
            "'%(colour)s' is no format of an access log: there is no 'colour'",
        ),
        (["prog", "--access-format", "combine"], "'combine' is no format of an access log: it is common, combined, or"),
        (["prog", "--access-format", "%(path)d"], "'%(path)d' is no format of an access log: %d format"),
        (["prog", "--access-format", "100%"], "'100%' is no format of an access log: incomplete format"),
        (["prog", "--access-log", "nowhere/log"], "cannot write nowhere/log: No such file or directory; --access-log"),
        (["prog", "--access-log", ".", "--workers", "3"], "cannot write .: Is a directory; --access-log names a file"),
        (["prog", "--chdir", "nowhere"], "cannot go to nowhere: No such file or directory; --chdir names the folder"),
        (["nowhere", "--workers", "3"], "there is no module 'nowhere': look at its name, or use --chdir or PYTHONPATH"),
        (["prog:"], "no name after the colon of 'prog:': write module:app"),
        (["prog.py"], "'prog.py' is no name of a module: write prog:app"),
        (["./prog.py:make()"], "'./prog.py' is no name of a module: write prog:make()"),
        (["/srv/prog.py"], "'/srv/prog.py' is no name of a module: write prog:app, and --chdir /srv"),
        (["."], "'.' is no name of a module: write module:app"),
        (["prog", "--bind", "[::1:8000"], "not an address: '[::1:8000'; write host:port or unix:path"),
        (["prog", "--bind", "unix:"], "not an address: 'unix:'; write host:port or unix:path"),
        (["prog", "--backlog", "0"], "--backlog is a number from 1 to 2147483647"),
        (["prog", "--backlog", "99999999999"], "--backlog is a number from 1 to 2147483647"),
        (["prog", "--max-connections", "0"], "--max-connections is 1 or more; leave it out for no bound"),
        (["prog", "--graceful-timeout", "nan"], "--graceful-timeout is a number of seconds, 0 or more"),
        (["prog", "--limit-idle", "-0.5"], "a limit is a positive number, or 0 for the engine's own; idle is -0.5"),
        (
            ["prog", "--trust-forwarded", "nobody"],
            "'nobody' is no proxy: write an address, a network like 10.0.0.0/8, unix or *",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_why_it_cannot_start(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert cannot(tmp_path, *arguments).startswith(words)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = cannot(tmp_path, "prog", "--bind", address, "--workers", workers)
    assert (
        said
        == f"cannot listen on {address}: Address already in use; another program has it: stop that one, or choose another address"
    )


def test_a_worker_that_comes_later_says_why_it_cannot_start_as_well(command: Callable[..., Command]) -> None:
    two = command("--workers", "2", "--limit-idle", "0.5")
    (two.folder / "prog.py").write_text("import nowhere_at_all")
    os.kill(two.ask()["pid"], signal.SIGKILL)
    two.wait(lambda: two.said().count("prog cannot be imported: ModuleNotFoundError") >= 2)


def test_a_program_that_fails_is_shown_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nowhere_at_all")
    done = run_python(
        "-m", "greenrt.wsgi", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", "broken", "--workers", "2"
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in done.stderr
    assert "greenrt.wsgi: broken cannot be imported: ModuleNotFoundError" in done.stderr
    assert done.stderr.count("Traceback") == 1, "the other worker would say the same"
    assert "serves" not in done.stderr


SERVE = """
import os, signal, sys, threading, socket
import greenrt
from greenrt.wsgi import serve
def app(environ, start):
    start("200 OK", [])
    greenrt.spawn_after(0.05, os.kill, os.getpid(), signal.{number})
    greenrt.sleep(0.15)
    return [b"finished"]
def ask(port):
    greenrt.sleep(0.05)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        got = client.recv(1000)
        assert got.endswith(b"finished"), got
with socket.create_server(("127.0.0.1", 0)) as listener:
    task = greenrt.spawn(ask, listener.getsockname()[1])
    serve(app, listener=listener)
    task.wait()
print("pass")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_serve_ends_by_signals_when_requests_are_done(number: str) -> None:
    done = run_python("-c", SERVE.replace("{number}", number))
    assert (done.returncode, done.stdout) == (0, "pass\n"), done.stderr
    assert re.fullmatch(r"greenrt \S+ serves http://127\.0\.0\.1:\d+ \(process \d+; Ctrl-C ends it\)\n", done.stderr)
