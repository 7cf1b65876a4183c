"""WebSockets (RFC 6455, with permessage-deflate, RFC 7692), both sides, on the standard library's sockets.

    with connect("wss://example.org/feed") as ws:              a client
        ws.send("hello")
        for message in ws: ...                                 str or bytes, until the other side closes

    serve(handler, "127.0.0.1", 8765)                          a server of its own: handler(ws) in a task for each client
    WebSocketApp(handler)                                      the same as a WSGI application, or in front of one
    accept(environ)                                            inside of a WSGI application: the WebSocket of this request

A WebSocket may be used by several tasks at the same time: each message is sent in one piece and received by one of them. A recv() that
times out or is killed loses nothing. ConnectionClosed says with which code it ended; like everything raised here it is an OSError.
"""

from ._client import connect
from ._connection import WebSocket
from ._errors import ConnectionClosed, HandshakeError, ProtocolError, WebSocketError
from ._handshake import Deflate
from ._server import WebSocketApp, WebSocketServer, accept, serve

__all__ = [
    "ConnectionClosed",
    "Deflate",
    "HandshakeError",
    "ProtocolError",
    "WebSocket",
    "WebSocketApp",
    "WebSocketError",
    "WebSocketServer",
    "accept",
    "connect",
    "serve",
]
