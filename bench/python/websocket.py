"""A server that echoes WebSocket messages: `websocket.py KIND`, prints "port N", serves until killed.

    tasks       greenrt.websocket, a server of its own     wsgi        the same as an application of greenrt.wsgi
    eventlet    eventlet's WSGI server and WebSocketWSGI   gevent      gevent's WSGI server and gevent-websocket
    asyncio     the websockets library                     uvloop      the same on uvloop

Each is used as its own documentation says; compression is off, which the load generator does not offer.
"""

import asyncio
import importlib
import socket
import sys

BACKLOG = 1024


def listening():
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print("port", listener.getsockname()[1], flush=True)
    return listener


def echo(ws):
    for message in ws:
        ws.send(message)


def tasks():
    server = importlib.import_module("greenrt.websocket").WebSocketServer(listening(), echo, compression=None)
    server.serve_forever()


def wsgi():
    app = importlib.import_module("greenrt.websocket").WebSocketApp(echo, compression=None)
    importlib.import_module("greenrt.wsgi").Server(app, listener=listening(), log=None).serve_forever()


def eventlet():
    eventlet = importlib.import_module("eventlet")

    def handler(ws):
        while (message := ws.wait()) is not None:
            ws.send(message)

    app = importlib.import_module("eventlet.websocket").WebSocketWSGI(handler)
    listener = eventlet.listen(("127.0.0.1", 0), backlog=BACKLOG)
    print("port", listener.getsockname()[1], flush=True)
    importlib.import_module("eventlet.wsgi").server(listener, app, log_output=False, max_size=20_000)


def gevent():
    def app(environ, _start_response):
        ws = environ["wsgi.websocket"]
        while (message := ws.receive()) is not None:
            ws.send(message, binary=True)
        return []

    listener = importlib.import_module("gevent.socket").socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    print("port", listener.getsockname()[1], flush=True)
    handler = importlib.import_module("geventwebsocket.handler").WebSocketHandler
    importlib.import_module("gevent.pywsgi").WSGIServer(listener, app, log=None, handler_class=handler).serve_forever()


def websockets(new_loop=asyncio.new_event_loop):
    async def answer(ws):
        async for message in ws:
            await ws.send(message)

    async def serve():
        server = importlib.import_module("websockets.asyncio.server")
        async with server.serve(answer, sock=listening(), compression=None):
            await asyncio.get_running_loop().create_future()

    new_loop().run_until_complete(serve())


def uvloop():
    websockets(importlib.import_module("uvloop").new_event_loop)


if __name__ == "__main__":
    kinds = {
        "tasks": tasks,
        "wsgi": wsgi,
        "eventlet": eventlet,
        "gevent": gevent,
        "asyncio": websockets,
        "uvloop": uvloop,
    }
    kinds[sys.argv[1]]()
