"""One turn of an echo row: a server on its core, the load generator on the other.

Throughput and CPU time come from a plain run. System calls are counted in a run of their own, because counting slows
them: by `perf stat` on the raw_syscalls tracepoint where that works, else by `strace -c -f`. The counter is attached
after the connections stand and taken off before they close, so that only requests are counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from typing import IO, Any

from .process import BOTH_CORES, CLIENT_CORE, SERVER_CORE, Failed, environment, settle, values

READY_SECONDS = 30


def server_start(
    command: list[str], extra: dict[str, str], both_cores: bool = False
) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen(
        command,
        env=environment(extra),
        preexec_fn=settle(*BOTH_CORES) if both_cores else settle(SERVER_CORE),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line = output_of(server).readline().split()
    if len(line) != 2 or line[0] != "port":
        stop(server)
        raise Failed("the server did not say its port")
    return server, int(line[1])


def output_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None, "started with a pipe"
    return process.stdout


def stop(process: subprocess.Popen[Any]) -> None:
    """Ends it and its children: granian's and gunicorn's workers outlive a master that was killed."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:  # see settle()
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Load:
    """The load generator, step by step: it connects, and then runs and hangs up when told."""

    def __init__(
        self,
        program: str,
        port: int,
        connections: int,
        seconds: float,
        warm_up: float,
        pid: int,
        both_cores: bool = False,
        words: tuple[str, ...] = (),
    ):
        self.process = subprocess.Popen(
            [program, str(port), str(connections), str(seconds), str(warm_up), str(pid), *words],
            preexec_fn=settle(*BOTH_CORES) if both_cores else settle(CLIENT_CORE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if output_of(self.process).readline() != "ready\n":
            stop(self.process)
            raise Failed("the load generator could not connect")

    def go(self) -> dict[str, float]:
        self._tell()
        lines = []
        for line in output_of(self.process):
            if line == "done\n":
                break
            lines.append(line)
        else:
            raise Failed("the load generator stopped: the server hung up or did not answer")
        found = values("".join(lines))
        if found["wrong"] != 0:
            raise Failed(f"{found['wrong']:.0f} answers were not what was sent")
        return found

    def end(self) -> None:
        self._tell()
        self.process.wait(timeout=READY_SECONDS)

    def _tell(self) -> None:
        assert self.process.stdin is not None, "started with a pipe"
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def run(
    load: str,
    command: list[str],
    extra: dict[str, str],
    connections: int,
    seconds: float,
    both_cores: bool = False,
    words: tuple[str, ...] = (),
) -> dict[str, float]:
    """Requests a second and the server's CPU time for each. With `both_cores` the server and the load share them; the load generator
    gets `words` beside the rest."""
    server, port = server_start(command, extra, both_cores)
    client = None
    try:
        client = Load(load, port, connections, seconds, seconds / 5, server.pid, both_cores, words)
        found = client.go()
        client.end()
    finally:
        for process in [server] if client is None else [client.process, server]:
            stop(process)
    return {metric: found[metric] for metric in ("req_per_s", "cpu_ns_per_req", "load_ns_per_req")}


def counting_tool() -> str | None:
    """`perf` if it can count system calls here, else `strace` if it can attach, else nothing."""
    if shutil.which("perf"):
        probe = subprocess.run(
            ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, text=True
        )
        if probe.returncode == 0 and perf_count(probe.stderr):
            return "perf"
    if shutil.which("strace"):
        probe = subprocess.run(["strace", "-c", "true"], capture_output=True, text=True)
        if probe.returncode == 0:
            return "strace"
    return None


def perf_count(text: str) -> int:
    match = re.search(r"^(\d+),.*raw_syscalls", text, re.MULTILINE)
    return int(match.group(1)) if match else 0


def strace_count(text: str) -> int:
    match = re.search(r"^\s*100\.00\s+\S+\s+\S+\s+(\d+).*total$", text, re.MULTILINE)
    return int(match.group(1)) if match else 0


def count_calls(
    tool: str,
    load: str,
    command: list[str],
    extra: dict[str, str],
    connections: int,
    seconds: float,
    words: tuple[str, ...] = (),
) -> dict[str, float]:
    """System calls of the server for each request, over every request made while the counter was attached."""
    server, port = server_start(command, extra)
    client = counter = None
    try:
        client = Load(load, port, connections, seconds, 0, server.pid, words=words)
        with tempfile.NamedTemporaryFile(mode="r", suffix=".calls") as output:
            if tool == "perf":
                options = ["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(server.pid), "-o", output.name]
            else:
                options = ["-c", "-f", "-p", str(server.pid), "-o", output.name]
            counter = subprocess.Popen(
                [tool, *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(0.7)
            found = client.go()
            counter.send_signal(signal.SIGINT)
            counter.wait(timeout=READY_SECONDS)
            text = output.read()
        client.end()
    finally:
        if counter is not None and counter.poll() is None:
            stop(counter)
        for process in [server] if client is None else [client.process, server]:
            stop(process)
    calls = perf_count(text) if tool == "perf" else strace_count(text)
    if calls == 0:
        raise Failed(f"{tool} counted no system calls")
    return {"calls_per_req": calls / found["all_requests"]}
