"""Fifty python-socketio clients as green threads of one program for eventlet: green_clients.py URL. Prints `pass`."""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import sys  # noqa: E402

import socketio  # noqa: E402

CLIENTS, EVENTS = 50, 10
url = sys.argv[1]


def client(number):
    wire = socketio.Client(reconnection=False)
    heard = []
    wire.on("echo", heard.append)
    wire.on("double", lambda value: value * 2)
    wire.connect(url, transports=[["websocket"], ["polling"], ["polling", "websocket"]][number % 3], wait_timeout=120)
    for turn in range(EVENTS):
        value = f"client {number} turn {turn}"
        assert wire.call("echo", value, timeout=120) == [value, "/socket.io/"]
        assert wire.call("ask", number, timeout=120) == number * 2
    with eventlet.Timeout(120):
        while len(heard) < EVENTS:
            eventlet.sleep(0.01)
    assert heard == [f"client {number} turn {turn}" for turn in range(EVENTS)]
    return wire


pool = eventlet.GreenPool(CLIENTS)
wires = list(pool.imap(client, range(CLIENTS)))
assert len(os.listdir("/proc/self/task")) == 1, os.listdir("/proc/self/task")
for wire in wires:
    eventlet.spawn_n(wire.shutdown)
with eventlet.Timeout(120):
    while any(wire.connected for wire in wires):
        eventlet.sleep(0.01)
print("pass")
os._exit(0)
