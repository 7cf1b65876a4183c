#!/usr/bin/env python3
"""`make demo-core`: builds the library, a chat server in C and a Python environment, starts the chat and an unmodified
ThreadingHTTPServer program on greenrt, and drives both with hundreds of real clients from other processes.

It ends by itself after DEMO_SECONDS (20) of driving and prints a table of what happened. Exit status 0 means that
nothing was lost. DEMO_CLIENTS (400) is the number of clients of each server. Needs cargo, a C compiler and Python 3.9
or later; no root.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from typing import IO, Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from common import ROOT, Failed, Interrupts, build, count, ended, library, output_of, setting

OUT = ROOT / "build" / "demo-core"
LIBRARIES = ROOT / "build" / "lib"
PYTHON = OUT / "venv" / "bin" / "python"
# A driver speaks several times a second: one that says nothing for so long is stuck.
GRACE = 180.0
LOOK_EVERY = 0.25


def build_all() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    made = library()
    build(
        "building the chat server",
        [
            os.environ.get("CC", "cc"),
            "-O2",
            "-I",
            "include",
            "examples/c/chat.c",
            "-o",
            str(OUT / "chat"),
            "-L",
            str(LIBRARIES),
            f"-Wl,-rpath,{LIBRARIES}",
            "-lgreenrt",
            "-lpthread",
        ],
    )
    ready = OUT / "venv" / "ready"
    if not (ready.exists() and PYTHON.exists()):
        build("making a virtual environment", [sys.executable, "-m", "venv", "--clear", str(OUT / "venv")])
        ready.touch()
    build(
        "installing the Python package into it",
        [str(PYTHON), "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", "./bindings/python"],
        GREENRT_LIBRARY=made,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )


class Show:
    """One server and the driver of its clients."""

    def __init__(self, title: str, server: list[str], driver: str):
        self.title = title
        self.command = server
        self.driver_file = driver
        self.server: subprocess.Popen[str] | None = None
        self.driver: subprocess.Popen[str] | None = None
        self.state: dict[str, Any] = {"connections": 0, "messages": 0, "lost": 0}
        self.lines = 0
        self.errors = (OUT / f"{title}.log").open("w+")

    def start(self, interrupts: Interrupts, clients: int, seconds: float) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GREENRT"))}
        with interrupts.hold():
            self.server = subprocess.Popen(
                self.command,
                cwd=OUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
            )
        words = output_of(self.server).readline().split()
        if len(words) != 2 or words[0] != "port":
            raise Failed(f"{self.title}: the server did not say its port\n{self.log()}")
        # What else the server prints is read and dropped: a full pipe would stop it.
        threading.Thread(target=output_of(self.server).read, daemon=True).start()
        with interrupts.hold():
            self.driver = subprocess.Popen(
                [
                    sys.executable,
                    str(ROOT / "demo" / "core" / self.driver_file),
                    words[1],
                    str(self.server.pid),
                    str(clients),
                    str(seconds),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
            )
        self.reader = threading.Thread(target=self._read, args=[output_of(self.driver)], daemon=True)
        self.reader.start()

    def _read(self, reports: IO[str]) -> None:
        for line in reports:
            self.state = json.loads(line)
            self.lines += 1

    def running(self) -> bool:
        return self.driver is not None and self.driver.poll() is None

    def faults(self) -> list[str]:
        """Everything that went wrong, in words; an empty list means that nothing was lost."""
        found = list(self.state.get("complaints", []))
        if not self.state.get("final"):
            found.append(f"its clients did not finish\n{self.log()}")
        elif self.state["lost"] or not self.state["messages"]:
            found.append(f"lost {self.state['lost']} of {self.state['messages'] + self.state['lost']}")
        if self.server is not None and self.server.poll() is not None:
            found.append(f"the server ended by itself with status {self.server.returncode}\n{self.log()}")
        return found

    def log(self) -> str:
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read()[-2000:]

    def stop(self) -> None:
        for process in (self.driver, self.server):
            if process is not None:
                ended(process)


def progress(shows: list[Show], start: float, seconds: float) -> str:
    parts = []
    for show in shows:
        state = show.state
        parts.append(
            f"{show.title}: {state['connections']} connections, {state['messages']:,} messages, {state['lost']} lost"
        )
    return f"{min(time.monotonic() - start, seconds):4.0f} of {seconds:.0f} s  " + " | ".join(parts)


def draw(line: str, live: bool) -> None:
    """On a terminal the line is written over itself; in a log each one is a line of its own."""
    if live:
        print(f"\r{line}\033[K", end="", flush=True)
    else:
        print(line, flush=True)


def watch(shows: list[Show], seconds: float) -> None:
    """The progress line, until all drivers have ended."""
    live = sys.stdout.isatty()
    start = time.monotonic()
    shown = -10.0
    lines, silent = 0, 0
    # Silence is counted in turns: not what passes while this program does not run.
    while any(show.running() for show in shows):
        now = time.monotonic() - start
        heard = sum(show.lines for show in shows)
        lines, silent = heard, silent + 1 if heard == lines else 0
        if silent * LOOK_EVERY > GRACE:
            return
        if live or now - shown >= 2:
            shown = now
            draw(progress(shows, start, seconds), live)
        time.sleep(LOOK_EVERY)
    for show in shows:
        # Its last line is still to be read.
        show.reader.join(GRACE)
    draw(progress(shows, start, seconds), live)
    if live:
        print()


def table(shows: list[Show]) -> None:
    print()
    heads = f"{'lost':>6}{'p50 ms':>9}{'p99 ms':>9}{'bytes/conn':>12}{'OS threads':>12}"
    print(f"{'':<22}{'connections':>12}{'messages':>12}{heads}")
    for show in shows:
        state = show.state
        if not state.get("final"):
            print(f"{show.title:<22}{'did not finish':>24}")
            continue
        print(
            f"{show.title:<22}{state['connections']:>12,}{state['messages']:>12,}{state['lost']:>6}{state['p50']:>9.1f}"
            f"{state['p99']:>9.1f}{state['memory_each']:>12,.0f}{state['threads']:>12}"
        )
    print()
    print(
        "A message is one delivery to one chat client, or one HTTP answer. Times are as the clients saw them; servers"
    )
    print("and clients share this machine.")


def main() -> int:
    try:
        seconds, clients = setting("DEMO_SECONDS", 20, 0), count("DEMO_CLIENTS", 400, 2)
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    interrupts = Interrupts()
    print("Getting ready:", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    threaded_http = ROOT / "examples" / "python" / "threaded_http.py"
    shows = [
        Show("C chat", [str(OUT / "chat"), "0"], "chat_clients.py"),
        Show(
            "ThreadingHTTPServer",
            [str(PYTHON), "-m", "greenrt", str(threaded_http), "0"],
            "http_clients.py",
        ),
    ]
    try:
        build_all()
        print(f"Driving both with {clients} clients each for {seconds:.0f} s:", flush=True)
        for show in shows:
            show.start(interrupts, clients, seconds)
        watch(shows, seconds)
        faults = [(show.title, fault) for show in shows for fault in show.faults()]
        table(shows)
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    finally:
        for show in shows:
            show.stop()
    for title, fault in faults:
        print(f"demo: {title}: {fault}", file=sys.stderr)
    print("Nothing was lost." if not faults else "Something was lost.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
