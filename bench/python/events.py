"""A Flask-SocketIO server that echoes events: `events.py KIND`, prints "port N", serves until killed.

greenrt     a program for eventlet, with greenrt's eventlet         gevent      patched, on gevent's WSGI server
eventlet    the same program with eventlet                          threading   OS threads, on Werkzeug's server
"""

import importlib
import socket
import sys

KIND = sys.argv[1]
if KIND == "greenrt":
    importlib.import_module("greenrt").install_as_eventlet()
if KIND in ("greenrt", "eventlet"):
    importlib.import_module("eventlet").monkey_patch()
if KIND == "gevent":
    importlib.import_module("gevent.monkey").patch_all()

flask = importlib.import_module("flask")
flask_socketio = importlib.import_module("flask_socketio")

app = flask.Flask(__name__)
socketio = flask_socketio.SocketIO(app, async_mode="eventlet" if KIND == "greenrt" else KIND)


@socketio.on("echo")
def echo(text):
    flask_socketio.emit("echo", text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    port = free_port()
    options = {"allow_unsafe_werkzeug": True} if KIND == "threading" else {"log_output": False}
    # The load generator tries for a while: the server listens soon after this line.
    print("port", port, flush=True)
    socketio.run(app, host="127.0.0.1", port=port, **options)


main()
