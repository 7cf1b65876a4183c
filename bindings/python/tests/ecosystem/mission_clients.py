"""Starts mission.py and connects to it from all sides: mission_clients.py [--namespace] [--node NODE MODULES] COMMAND...

The program takes port 5000, so this runs in a network namespace of its own where one can be had: then nobody else has the
port. Its clients are python-socketio's and, with --node, socket.io-client's. Prints `pass` when each of them was let in,
and the program said so.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

URL = "http://127.0.0.1:5000"
PATIENCE = 120
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(probe, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def wait_for_it(program: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        if program.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"the program does not listen: {program.poll()}\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", 5000), timeout=5).close()
            return
        except OSError:
            time.sleep(0.02)


def python_client(transports: list[str]) -> None:
    import socketio

    client = socketio.Client(reconnection=False)
    client.connect(URL, transports=transports, wait_timeout=PATIENCE)
    assert client.connected and client.transport() == transports[-1]
    # Not waited for: one that polls may wait for the server's next ping, 25 s.
    threading.Thread(target=client.disconnect, daemon=True).start()


def main() -> None:
    words = sys.argv[1:]
    modules = node = None
    if words[0] == "--namespace":
        loopback_up()
        words = words[1:]
    if words[0] == "--node":
        node, modules = words[1:3]
        words = words[3:]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "output")
        with log.open("wb") as output:
            program = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for_it(program, log)
            expected = 0
            for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
                python_client(transports)
                expected += 1
            for transport in ("websocket", "polling", "upgrade") if node and modules else ():
                line = [node, str(Path(__file__).with_name("clients.js")), URL, transport]
                done = subprocess.run(line, env={"NODE_PATH": modules}, capture_output=True, text=True, timeout=180)
                assert done.stdout == "pass\n", f"{transport}: {done.stdout}{done.stderr}"
                expected += 1
            said = log.read_text()
            assert said.count("Client connected\n") == expected, said
            assert "Traceback" not in said, said
        except BaseException:
            print(log.read_text(), file=sys.stderr)
            raise
        finally:
            program.kill()
            program.wait()
    print("pass")


main()
