"""A chat over WebSockets: everybody in a room hears what anybody there says. The path is the room, the first message the name.

    python3 examples/python/websocket_chat.py [PORT]        prints "port N", serves until Ctrl-C or SIGTERM
    python3 examples/python/websocket_chat.py NAME URL      talks there: a line of stdin is a message

A client that takes nothing does not hold up the others: each has a queue of what is still to be sent to it, and loses its place when that is full.
"""

import contextlib
import signal
import sys

import greenrt
from greenrt import monkey
from greenrt.queue import Full, Queue
from greenrt.websocket import ConnectionClosed, WebSocketServer, connect

rooms: dict[str, set[Queue[str]]] = {}


def say(room: str, text: str) -> None:
    for queue in list(rooms.get(room, ())):
        try:
            queue.put_nowait(text)
        except Full:
            rooms[room].discard(queue)
            queue.shutdown(immediate=True)


def chat(ws) -> None:
    name = ws.recv(timeout=30)
    queue = Queue(100)
    members = rooms.setdefault(ws.path, set())
    members.add(queue)
    writer = greenrt.spawn(write, ws, queue)
    say(ws.path, f"* {name} came in")
    try:
        for message in ws:
            say(ws.path, f"{name}: {message}")
    finally:
        members.discard(queue)
        writer.kill()
        say(ws.path, f"* {name} went away")


def write(ws, queue) -> None:
    with contextlib.suppress(ConnectionClosed):
        for text in queue:
            ws.send(text)
        ws.close(1008, "too slow")


def serve(port: int) -> None:
    server = WebSocketServer(("127.0.0.1", port), chat, max_size=4096, ping_interval=20)
    server.start()
    print("port", server.address[1], flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(timeout=1))
    server.serve_forever()


def talk(name: str, url: str) -> None:
    monkey.patch_all()  # reading stdin parks the task that reads
    with connect(url) as ws:
        ws.send(name)
        reader = greenrt.spawn(lambda: [print(message, flush=True) for message in ws])
        for line in sys.stdin:
            ws.send(line.rstrip("\n"))
        greenrt.sleep(0.1)
        reader.kill()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        talk(*sys.argv[1:])
    else:
        serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
