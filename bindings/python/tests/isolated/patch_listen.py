"""listen(): a small number is a hint; one or none is meant."""

import socket
import struct
from pathlib import Path

from greenrt import monkey

monkey.patch("socket", "select")
MOST = int(Path("/proc/sys/net/core/somaxconn").read_text())


def queue(listener):
    """For a listener, TCP_INFO has the size of its queue where others have tcpi_sacked (proc(5), ss(8))."""
    return struct.unpack_from("I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0]


def listening(*asked, timeout=None):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(timeout)
    listener.listen(*asked)
    with listener:
        return queue(listener)


assert listening(5) == listening(2) == listening(127) == listening(5, timeout=3) == min(128, MOST)
assert (listening(0), listening(1), listening(200)) == (0, 1, min(200, MOST)) and listening() == min(128, MOST)
assert listening(True) == 1 and listening(-1) in (0, MOST)
for wrong in (("x",), (1, 2), (1 << 40,), (5.5,)):
    try:
        listening(*wrong)
    except (TypeError, OverflowError):
        pass
    else:
        raise AssertionError(wrong)
closed = socket.socket()
closed.close()
try:
    closed.listen(5)
except OSError:
    pass
else:
    raise AssertionError("a closed socket listens")

# Who comes before the acceptor has its turn finds room.
with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(min(50, MOST))]
    for client in clients:
        client.close()
print("pass")
