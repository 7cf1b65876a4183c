"""An echo server in Python: `echo.py KIND`, prints "port N", serves until killed.

    tasks       greenrt's StreamServer                    threads      a thread for each connection, sockets: a program that
    eventlet    a green thread for each connection                     knows nothing of greenrt; run by `python -m greenrt`
    gevent      gevent's StreamServer                     streams      asyncio's streams
    protocol    an asyncio protocol                       uvloop       the same on uvloop

Each is used as its own documentation says, unpatched (but for `threads`).
"""

import importlib
import socket
import sys

BACKLOG = 1024
ROOM = 4096


def listening():
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    announce(listener)
    return listener


def announce(listener):
    print("port", listener.getsockname()[1], flush=True)


def echo(client, _address=None):
    with client:
        while data := client.recv(ROOM):
            client.sendall(data)


def tasks():
    importlib.import_module("greenrt.server").StreamServer(listening(), echo).serve_forever()


def threads():
    threading = importlib.import_module("threading")
    listener = listening()
    while True:
        client, _ = listener.accept()
        threading.Thread(target=echo, args=(client,), daemon=True).start()


def eventlet():
    eventlet = importlib.import_module("eventlet")
    listener = eventlet.listen(("127.0.0.1", 0), backlog=BACKLOG)
    announce(listener)
    while True:
        client, _ = listener.accept()
        eventlet.spawn(echo, client)


def gevent():
    listener = importlib.import_module("gevent.socket").socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    announce(listener)
    importlib.import_module("gevent.server").StreamServer(listener, echo).serve_forever()


def streams():
    asyncio = importlib.import_module("asyncio")

    async def answer(reader, writer):
        while data := await reader.read(ROOM):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve():
        server = await asyncio.start_server(answer, sock=listening(), backlog=BACKLOG)
        await server.serve_forever()

    asyncio.new_event_loop().run_until_complete(serve())


def protocol(new_loop=None):
    asyncio = importlib.import_module("asyncio")

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.write = transport.write

        def data_received(self, data):
            self.write(data)

    loop = (new_loop or asyncio.new_event_loop)()
    loop.run_until_complete(loop.create_server(Echo, sock=listening(), backlog=BACKLOG))
    loop.run_forever()


def uvloop():
    protocol(importlib.import_module("uvloop").new_event_loop)


def main():
    kinds = (tasks, threads, eventlet, gevent, streams, protocol, uvloop)
    {kind.__name__: kind for kind in kinds}[sys.argv[1]]()


main()
