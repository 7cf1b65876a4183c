"""A chat with rooms on Flask-SocketIO: the program is one for eventlet, and runs on greenrt as it stands.

    pip install flask-socketio
    python -m greenrt --eventlet examples/python/chat_socketio.py [PORT]

The first line it prints is `port N`; without PORT, or with 0, it picks one. Clients are Socket.IO clients of any language. They
`join` a room under a name and are answered with its last messages; what one of them `say`s, all in the room hear as `said`;
who comes and goes is told as `came` and `left`. It serves until Ctrl-C.
"""

import eventlet

eventlet.monkey_patch()

import socket  # noqa: E402
import sys  # noqa: E402
from collections import defaultdict, deque  # noqa: E402

from flask import Flask, request  # noqa: E402
from flask_socketio import SocketIO, emit, join_room, leave_room  # noqa: E402

app = Flask(__name__)
socketio = SocketIO(app)
people = {}  # the connection's id: (name, room)
talk = defaultdict(lambda: deque(maxlen=50))


@app.route("/")
def index():
    rooms = sorted({room for _, room in people.values()})
    return {"people": len(people), "rooms": rooms}


@socketio.on("join")
def join(name, room):
    leave()
    people[request.sid] = (name, room)
    join_room(room)
    emit("came", name, to=room, include_self=False)
    return list(talk[room])


@socketio.on("say")
def say(text):
    if request.sid not in people:
        return False
    name, room = people[request.sid]
    talk[room].append([name, text])
    emit("said", [name, text], to=room)
    return True


@socketio.on("leave")
def leave():
    if request.sid in people:
        name, room = people.pop(request.sid)
        leave_room(room)
        emit("left", name, to=room)


@socketio.on("disconnect")
def disconnect(*_reason):
    leave()


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    print("port", port, flush=True)
    socketio.run(app, port=port)


if __name__ == "__main__":
    main()
