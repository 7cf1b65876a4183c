#!/usr/bin/env python3
"""`make demo`: a chat and a live dashboard on Flask-SocketIO, fed by a thousand devices, on greenrt.

It builds the library, makes a Python environment in build/demo (Flask, Flask-SocketIO and websocket-client from PyPI), starts
app.py, which is a program for eventlet, and fleet.py, whose devices have a WebSocket each, and says where to look.

    DEMO_SECONDS   serve for so long, with people who chat too, and print a table; exit status 0 means that nothing was lost.
                   Without it the demo runs until it is interrupted.
    DEMO_DEVICES   1000       DEMO_PORT   5000, or a free one       DEMO_HOST   127.0.0.1; 0.0.0.0 shows it to your phone
    DEMO_PEOPLE    20, in a measured run

Needs cargo, a C compiler, Python 3.9 or later and PyPI; no root, no other service.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from common import ROOT, Failed, Interrupts, build, call, count, ended, library, output_of, setting

HERE = ROOT / "demo"
OUT = ROOT / "build" / "demo"
PYTHON = OUT / "venv" / "bin" / "python"
# There when the environment has everything: one that was interrupted is made anew.
READY = OUT / "venv" / "ready"
# What comes from PyPI: name there, name to import.
PACKAGES = {"flask": "flask", "flask-socketio": "flask_socketio", "websocket-client": "websocket"}
# PyPI is asked so often.
ATTEMPTS = 3
# The fleet speaks twice a second and ends by itself, and a server soon says its port: one that says nothing for so long is stuck.
GRACE = 180.0
LOOK_EVERY = 0.25
# In a measured run the server waits so long for a connection that says nothing: on a slow machine it has to.
SILENCE = 120
# Descriptors beside those of the devices.
SPARE = 200


def set_up() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    made = library()
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if not (READY.exists() and PYTHON.exists()):
        build("making a Python environment", [sys.executable, "-m", "venv", "--clear", str(OUT / "venv")])
        fetch([*pip, "--retries", "3", "--timeout", "30", *PACKAGES])
        probe = subprocess.run(
            [str(PYTHON), "-c", f"import {', '.join(PACKAGES.values())}"], capture_output=True, text=True
        )
        if probe.returncode != 0:
            raise Failed(f"what came from PyPI does not work\n{probe.stderr[-2000:]}")
        READY.touch()
    build(
        "installing greenrt into it",
        [*pip, "--force-reinstall", "--no-deps", "./bindings/python"],
        GREENRT_LIBRARY=made,
    )


def fetch(command: list[str]) -> None:
    for attempt in range(ATTEMPTS):
        done = call(f"getting {', '.join(PACKAGES)} from PyPI", command)
        if done.returncode == 0:
            return
        if attempt < ATTEMPTS - 1:
            time.sleep(2.0)
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    raise Failed(f"cannot get {', '.join(PACKAGES)}: is PyPI reachable? pip says: {' '.join(last)}")


def allow_descriptors(devices: int) -> int:
    """As many descriptors as devices need, in us and in what we start; fewer devices where that is not allowed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < devices + SPARE:
        print(f"  this process may open {hard} descriptors: {hard - SPARE} devices, not {devices}")
        return max(1, hard - SPARE)
    return devices


def port_for(host: str, wanted: int | None, measured: bool) -> int:
    """The port that was asked for; else 5000, or 0, for one that the server finds, when that is taken or nobody looks."""
    if wanted is None and measured:
        return 0
    port = wanted if wanted is not None else 5000
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if wanted is not None:
                raise Failed(f"DEMO_PORT={port}: {error.strerror}") from None
            return 0
    return port


class Process:
    """The server or the fleet: its output line by line, in a thread, and what it said on stderr in a file."""

    def __init__(self, name: str, command: list[str], **extra: str):
        self.name = name
        self.errors = (OUT / f"{name}.log").open("w+", errors="replace")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GREENRT"))}
        # In a group of its own: Ctrl-C is for this process, which ends the others in order.
        self.process = subprocess.Popen(
            command,
            env={**clean, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )
        self.lines = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in output_of(self.process):
            self.hear(line)
            self.lines += 1

    def hear(self, line: str) -> None:
        """A line of its output."""

    def became(self) -> str:
        status = self.process.poll()
        runs = "runs" if status is None else f"ended with status {status}"
        self.errors.flush()
        self.errors.seek(0)
        said = self.errors.read().splitlines()[-8:]
        return "\n    ".join(
            [f"the {self.name} {runs}; its last words:", *said] if said else [f"the {self.name} {runs}"]
        )

    def stop(self) -> None:
        ended(self.process)


class Server(Process):
    def __init__(self, host: str, port: int, devices: int, silence: int | None):
        self.port = self.threads = self.at_start = 0
        command = [str(PYTHON), "-m", "greenrt", "--eventlet", str(HERE / "app.py"), str(port), host]
        extra = {"DEMO_SILENCE": str(silence)} if silence else {}
        super().__init__("server", command, DEMO_DEVICES=str(devices), **extra)

    def hear(self, line: str) -> None:
        if line.startswith("port "):
            self.port = int(line.split()[1])

    def listening(self) -> None:
        """Until it says its port."""
        for _ in range(int(GRACE / 0.05)):
            if self.port:
                self.at_start = self.look()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"the server does not listen: {self.became()}")

    def look(self) -> int:
        """Its resident and page-table bytes; remembers the most OS threads ever seen."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as status:
                found = dict(line.split(":", 1) for line in status)
            self.threads = max(self.threads, int(found["Threads"]))
            return sum(int(found[name].split()[0]) * 1024 for name in ("VmRSS", "VmPTE"))
        except (OSError, KeyError):
            return 0


class Fleet(Process):
    def __init__(self, host: str, port: int, devices: int, people: int, seconds: float):
        self.state: dict[str, Any] = {"connected": 0, "people": 0, "messages": 0, "heard": 0, "lost": 0, "breaks": 0}
        numbers = [str(port), str(devices), str(people), str(seconds)]
        super().__init__("fleet", [str(PYTHON), "-m", "greenrt", str(HERE / "fleet.py"), host, *numbers])

    def hear(self, line: str) -> None:
        self.state = json.loads(line)


def progress(fleet: Fleet, server: Server, start: float) -> str:
    state = fleet.state
    words = [f"{time.monotonic() - start:5.0f} s", f"{state['connected']:,} devices", f"{state['messages']:,} readings"]
    if state["people"]:
        words.append(f"{state['heard']:,} chat messages heard")
    if state["breaks"]:
        words.append(f"{state['breaks']:,} reconnects")
    words += [f"{state['lost']} lost", f"server {server.look() / 2**20:.0f} MiB, {server.threads} OS thread(s)"]
    return "  ".join(words)


def watch(fleet: Fleet, server: Server, every: float) -> int:
    """The progress line (in a log, one every so many seconds), until the fleet has ended, or something stands still, or Ctrl-C; the
    most memory seen."""
    live = sys.stdout.isatty()
    start, shown, most = time.monotonic(), -10.0, 0
    lines, silent = 0, 0
    # Silence is counted in turns: not what passes while this program does not run.
    while fleet.process.poll() is None and server.process.poll() is None and silent * LOOK_EVERY < GRACE:
        now = time.monotonic() - start
        lines, silent = fleet.lines, silent + 1 if fleet.lines == lines else 0
        most = max(most, server.look())
        if live or now - shown >= every:
            shown = now
            line = progress(fleet, server, start)
            print(f"\r{line}\033[K" if live else line, end="" if live else "\n", flush=True)
        time.sleep(LOOK_EVERY)
    if live:
        print()
    if fleet.process.poll() is not None:
        # Its last line is still to be read.
        fleet.reader.join(GRACE)
    return most


def faults(fleet: Fleet, server: Server, measured: bool) -> list[str]:
    """Everything that went wrong, in words; an empty list means that nothing was lost."""
    state, found = fleet.state, []
    if server.process.poll() is not None:
        found.append("the server ended by itself")
    if measured and not state.get("final"):
        found.append(f"the fleet did not finish; the last that it said: {json.dumps(state)}")
    found += state.get("complaints", [])
    if state["lost"]:
        found.append(f"lost {state['lost']:,}")
    if measured and state["breaks"]:
        found.append(f"{state['breaks']:,} connections broke")
    if measured and not (state["messages"] and state["heard"]):
        found.append("nothing was said")
    return [*found, fleet.became(), server.became()] if found else []


def table(fleet: Fleet, server: Server, most: int) -> None:
    state = fleet.state
    connections = state["connected"] + state["people"]
    each = max(0, most - server.at_start) / max(1, connections)
    print()
    print(f"{'':<34}{'connections':>12}{'messages':>12}{'lost':>7}{'p50 ms':>9}{'p99 ms':>9}")
    print(
        f"{'readings, acknowledged':<34}{state['connected']:>12,}{state['messages']:>12,}{state['lost']:>7}"
        f"{state.get('p50', 0):>9.1f}{state.get('p99', 0):>9.1f}"
    )
    if state["people"]:
        print(f"{'chat, said to each of them':<34}{state['people']:>12,}{state['heard']:>12,}")
        print(f"{'figures, twice a second to each':<34}{state['people']:>12,}{state['ticks']:>12,}")
    print(
        f"\nThe server: {server.threads} OS thread(s), {most / 2**20:.0f} MiB, {each:,.0f} bytes more for each connection."
    )


def main() -> int:
    host = os.environ.get("DEMO_HOST", "127.0.0.1")
    processes: list[Process] = []
    interrupts = Interrupts()
    try:
        seconds = setting("DEMO_SECONDS", 0, 0)
        wanted = count("DEMO_PORT", 0, 0, 65535) if os.environ.get("DEMO_PORT") else None
        devices, people = count("DEMO_DEVICES", 1000, 1), count("DEMO_PEOPLE", 20, 1) if seconds else 0
        print("Getting ready:", flush=True)
        devices = allow_descriptors(devices)
        set_up()
        with interrupts.hold():
            server = Server(host, port_for(host, wanted, seconds > 0), devices, SILENCE if seconds else None)
            processes.append(server)
        server.listening()
        shown = socket.gethostname() if host == "0.0.0.0" else host
        print(f"\nOpen  http://{shown}:{server.port}/\n", flush=True)
        print(f"{devices:,} devices connect. " + (f"{seconds:.0f} s:" if seconds else "Ctrl-C ends it."), flush=True)
        target = "127.0.0.1" if host == "0.0.0.0" else host
        with interrupts.hold():
            fleet = Fleet(target, server.port, devices, people, seconds)
            processes.insert(0, fleet)
        try:
            most = watch(fleet, server, 2.0 if seconds else 20.0)
        except KeyboardInterrupt:
            print()
            if seconds:
                raise
            most = server.look()
        wrong = faults(fleet, server, seconds > 0)
        table(fleet, server, most)
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    finally:
        # A second Ctrl-C would leave some of them behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for process in processes:
            process.stop()
    for fault in wrong:
        print(f"demo: {fault}", file=sys.stderr)
    print("Nothing was lost." if not wrong else "Something was lost.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
