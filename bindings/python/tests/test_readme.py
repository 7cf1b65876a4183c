"""The programs on the README's first screen do what it says."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT, run_python
from libraries.servers import free_port

README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="not in an installed package")


def block(language: str, number: int = 0) -> str:
    """A code block in a language, the first unless said otherwise."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[number]


def connect(port: int, server: subprocess.Popen[str]) -> socket.socket:
    """A connection, once the server listens."""
    for _ in range(2400):
        assert server.poll() is None, "the server ended"
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def test_the_c_program_echoes(tmp_path: Path) -> None:
    compiler, library = shutil.which("gcc") or shutil.which("cc"), ROOT / "build" / "lib"
    if compiler is None or not (library / "libgreenrt.so").exists():
        pytest.skip("needs a C compiler and build/lib")
    port = free_port()
    source, program = tmp_path / "echo.c", tmp_path / "echo"
    source.write_text(block("c").replace("7000", str(port)), encoding="utf-8")
    flags = [
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        f"-I{ROOT / 'include'}",
        f"-L{library}",
        f"-Wl,-rpath,{library}",
    ]
    subprocess.run([compiler, *flags, str(source), "-o", str(program), "-lgreenrt"], check=True, timeout=60)
    with subprocess.Popen([str(program)], text=True) as server:
        try:
            clients = [connect(port, server) for _ in range(20)]
            for number, client in enumerate(clients):
                client.sendall(b"%d" % number)
            assert [client.recv(10) for client in clients] == [b"%d" % number for number in range(20)]
            for client in clients:
                client.close()
        finally:
            server.kill()


def test_the_python_program_is_the_one_that_is_tested() -> None:
    mission = Path(__file__).parent / "ecosystem" / "mission.py"
    assert block("python") == mission.read_text(encoding="utf-8")


def test_the_program_of_your_own_runs() -> None:
    done = run_python("-c", block("python", 1))
    assert (done.returncode, done.stdout) == (0, "in a task\n"), done.stderr
