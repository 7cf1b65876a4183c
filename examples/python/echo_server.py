"""An echo server: one task per connection, code that looks blocking, one OS thread.

    python examples/python/echo_server.py [PORT]

The first line it prints is `port N`; without PORT, or with 0, it picks one. It serves until SIGTERM or Ctrl-C, then says how many
connections there were. Sockets are the standard library's own, patched in place. A client that is silent for a minute is let go.
"""

import signal
import socket
import sys

import greenrt
from greenrt import monkey

monkey.patch_all()


def echo(client):
    with client, greenrt.Timeout(60, False) as patience:
        while True:
            data = client.recv(65536)
            if not data:
                return
            client.sendall(data)
            patience.cancel()
            patience.start()


def serve(listener):
    served = 0
    try:
        while True:
            client, _ = listener.accept()
            served += 1
            greenrt.spawn(echo, client)
    except KeyboardInterrupt:
        print(f"served {served} connections", flush=True)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        print("port", listener.getsockname()[1], flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
