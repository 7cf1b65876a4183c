"""python-socketio and python-engineio without Flask, on eventlet's WSGI server: plain_server.py PORT socketio|engineio"""

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402

import engineio  # noqa: E402
import socketio  # noqa: E402
from eventlet import wsgi  # noqa: E402


def socketio_app():
    server = socketio.Server(async_mode="eventlet", ping_interval=3, ping_timeout=8)

    @server.event
    def connect(sid, environ, auth):
        server.save_session(sid, {"path": environ["PATH_INFO"]})

    @server.event
    def echo(sid, value):
        server.emit("echo", value, to=sid)
        return [value, server.get_session(sid)["path"]]

    @server.event
    def ask(sid, value):
        # The server calls the client, and waits in the handler for its answer.
        return server.call("double", value, to=sid, timeout=120)

    @server.event
    def shout(sid, value):
        server.emit("heard", value)

    return socketio.WSGIApp(server)


def engineio_app():
    server = engineio.Server(async_mode="eventlet", ping_interval=3, ping_timeout=8)
    left = []

    @server.on("message")
    def message(sid, data):
        server.send(sid, left if data == "who left" else data)

    @server.on("disconnect")
    def disconnect(sid, *_reason):
        left.append(sid)

    return engineio.WSGIApp(server)


app = {"socketio": socketio_app, "engineio": engineio_app}[sys.argv[2]]()
wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), app, log_output=False)
