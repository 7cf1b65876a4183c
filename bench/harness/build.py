"""Builds every program of the benchmarks into build/bench. What cannot be built here is remembered with its
reason, so that its rows say "skipped" instead of disappearing."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

from .process import last_words

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
OUT = ROOT / "build" / "bench"
LIBRARIES = ROOT / "build" / "lib"
VENV = OUT / "venv"
RUST_OUT = OUT / "rust" / "release"
PYTHON_PEERS = ("eventlet", "gevent", "greenlet", "uvloop", "websockets", "geventwebsocket", "flask_socketio")
PYTHON_PEERS += ("bjoern", "granian", "waitress", "gunicorn", "packaging", "flask")
# The package of a module, where its name is another.
PACKAGES = {"geventwebsocket": "gevent-websocket", "flask_socketio": "flask-socketio"}
FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror"]
# What the static library needs beside libc, on Linux.
STATIC_LIBS = ["-lpthread", "-ldl", "-lm", "-lrt", "-lutil", "-lgcc_s"]


class Programs:
    """Paths of what was built, and for the rest the reason why not."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self.library = LIBRARIES / "libgreenrt.so"
        self.python = VENV / "bin" / "python"

    def path(self, name: str) -> str:
        return str(OUT / name)

    def attempt(self, names: list[str], command: list[str], folder: pathlib.Path = BENCH, **extra: str) -> bool:
        if shutil.which(command[0]) is None:
            reason = f"{command[0]} is not installed"
        else:
            done = subprocess.run(
                ["nice", *command], cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True
            )
            if done.returncode == 0:
                return True
            reason = f"did not build: {last_words(done.stderr)}"
        for name in names:
            self.missing[name] = reason
        return False

    def build(self, say: Callable[[str], None]) -> Programs:
        OUT.mkdir(parents=True, exist_ok=True)
        say("building greenrt")
        self._greenrt()
        say("building the C and C++ programs")
        cc = os.environ.get("CC", "cc")
        self.attempt(["raw epoll"], [cc, *FLAGS, "raw/echo.c", "-o", self.path("raw-echo")])
        self.attempt(["load"], [cc, *FLAGS, "load/load.c", "-o", self.path("load")])
        self.attempt(["events"], [cc, *FLAGS, "load/events.c", "-o", self.path("events")])
        self.attempt(
            ["state-threads"], [cc, *FLAGS, "peers/st/main.c", "peers/st/channel.c", "-o", self.path("st"), "-lst"]
        )
        self.attempt(["OS threads"], [cc, *FLAGS, "peers/threads/threads.c", "-o", self.path("threads"), "-lpthread"])
        boost = ["peers/boost/boost.cpp", "-o", self.path("boost"), "-lboost_fiber", "-lboost_context", "-lpthread"]
        self.attempt(["boost.context", "boost.fiber"], [os.environ.get("CXX", "c++"), "-std=c++17", *FLAGS, *boost])
        say("building the Go program")
        go = ["go", "build", "-o", self.path("go-peer"), "."]
        self.attempt(["Go"], go, BENCH / "peers" / "go", GO111MODULE="off")
        say("building the Rust programs")
        self.attempt(
            ["context", "corosensei", "tokio", "may", "crossbeam-channel", "ring by hand", "ring by hand, inlined"],
            ["cargo", "build", "--release", "--quiet"],
            BENCH / "peers" / "rust",
            CARGO_TARGET_DIR=str(OUT / "rust"),
        )
        return self

    def _greenrt(self) -> None:
        names = ["greenrt", "greenrt (static)"]
        if not self.attempt(names, ["make", "build/lib/libgreenrt.so", "build/lib/libgreenrt.a"], ROOT):
            return
        cc = os.environ.get("CC", "cc")
        include = ["-I", str(ROOT / "include")]
        shared = ["-L", str(LIBRARIES), f"-Wl,-rpath,{LIBRARIES}", "-lgreenrt"]
        for program in ("tasks", "echo", "chan", "locks", "timers", "offload", "http"):
            line = [cc, *FLAGS, *include, f"c/{program}.c", "-o"]
            archive = [str(LIBRARIES / "libgreenrt.a"), *STATIC_LIBS]
            self.attempt([f"greenrt: {program}"], [*line, self.path(program), *shared])
            self.attempt([f"greenrt (static): {program}"], [*line, self.path(f"{program}-static"), *archive])

    def build_python(self, say: Callable[[str], None]) -> Programs:
        say("making the virtual environment of the Python peers")
        if not self.python.exists():
            interpreter = shutil.which("python3.11") or sys.executable
            self.attempt(["asyncio", *PYTHON_PEERS, "greenrt (Python)"], [interpreter, "-m", "venv", str(VENV)])
        for name in PYTHON_PEERS:
            probe = subprocess.run([self.python, "-W", "ignore", "-c", f"import {name}"], capture_output=True)
            if probe.returncode != 0:
                self.attempt([name], [str(self.python), "-m", "pip", "install", "-q", PACKAGES.get(name, name)])
        if not (ROOT / "bindings" / "python" / "greenrt" / "__init__.py").exists():
            self.missing["greenrt (Python)"] = "bindings/python/greenrt is not there"
        elif "greenrt" in self.missing:
            self.missing["greenrt (Python)"] = self.missing["greenrt"]
        return self

    def python_environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT / "bindings" / "python"),
            "GREENRT_LIBRARY": str(self.library),
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
