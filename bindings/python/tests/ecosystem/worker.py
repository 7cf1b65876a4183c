"""One of several workers of a Flask-SocketIO program, which tell each other by Redis: worker.py PORT REDIS_URL"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import sys  # noqa: E402

from flask import Flask  # noqa: E402
from flask_socketio import SocketIO, emit  # noqa: E402

app = Flask(__name__)
socketio = SocketIO(app, message_queue=sys.argv[2], ping_interval=3)


@socketio.on("where")
def where():
    return os.getpid()


@socketio.on("shout")
def shout(what):
    emit("heard", what, broadcast=True)


if __name__ == "__main__":
    socketio.run(app, port=int(sys.argv[1]))
