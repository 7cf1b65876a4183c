"""A Flask-SocketIO program for eventlet that has one handler for each thing the tests ask for: flask_server.py PORT"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import sys  # noqa: E402

from flask import Flask, request, session  # noqa: E402
from flask_socketio import ConnectionRefusedError, Namespace, SocketIO, emit, join_room, leave_room, send  # noqa: E402

app = Flask(__name__)
app.config["SECRET_KEY"] = "for tests"
# Short pings: a client that leaves while its poll is under way waits for the answer to it, and may not say that it leaves.
socketio = SocketIO(app, ping_interval=3, ping_timeout=8)
left = []
notes = {}


@app.route("/hello")
def hello():
    return "hello from flask\n"


@app.route("/stop")
def stop():
    socketio.stop()


@socketio.on("connect")
def connect(auth):
    if auth and auth.get("refuse"):
        raise ConnectionRefusedError("not you")
    emit("welcome", {"sid": request.sid, "mode": socketio.async_mode})


@socketio.on("disconnect")
def disconnect(*reason):
    left.append(request.sid)


@socketio.on("echo")
def echo(*values):
    emit("echo", list(values))
    return list(values)


@socketio.on("message")
def message(text):
    send(f"you said {text}")


@socketio.on("bytes")
def some_bytes(data):
    assert isinstance(data, bytes), type(data)
    emit("bytes", {"back": data[::-1], "also": [b"\x00\xff"]})
    return len(data)


@socketio.on("ask me")
def ask_me(question):
    """The server asks, and the client's answer comes to a callback."""

    def answered(*values):
        notes["answer"] = values
        socketio.emit("you answered", list(values))

    emit("question", question, callback=answered)


@socketio.on("join")
def join(room):
    join_room(room)
    return "in"


@socketio.on("leave")
def leave(room):
    leave_room(room)
    return "out"


@socketio.on("tell")
def tell(room, what):
    emit("told", what, to=room)
    return "told"


@socketio.on("everybody")
def everybody(what):
    emit("told", what, broadcast=True, include_self=False)


@socketio.on("count")
def count(until):
    """From a background task, while other handlers go on."""

    def work(sid):
        for number in range(until):
            socketio.sleep(0.01)
            socketio.emit("number", number, to=sid)
        socketio.emit("counted", to=sid)

    socketio.start_background_task(work, request.sid)
    return "started"


@socketio.on("slow")
def slow():
    """Until it is told to go on."""
    told = notes[request.sid] = eventlet.Event()
    emit("slow begins")
    told.wait()
    return "at last"


@socketio.on("go on")
def go_on():
    notes.pop(request.sid).send()


@socketio.on("fail")
def fail():
    raise RuntimeError("on purpose")


@socketio.on_error()
def failed(error):
    emit("failed", f"{type(error).__name__}: {error}")


@socketio.on("remember")
def remember(what):
    session["what"] = what


@socketio.on("recall")
def recall():
    return session.get("what")


@socketio.on("hang up")
def hang_up():
    socketio.server.disconnect(request.sid)


@socketio.on("who left")
def who_left():
    return left


@socketio.on("process")
def process():
    return {"pid": os.getpid(), "eventlet": eventlet.__version__}


class Admin(Namespace):
    def on_echo(self, value):
        self.emit("echo", ["admin", value])


socketio.on_namespace(Admin("/admin"))

if __name__ == "__main__":
    socketio.run(app, port=int(sys.argv[1]))
    print("the server ended")
