"""The seed program of `make demo`: a chat and a live dashboard on Flask-SocketIO, fed by a fleet of devices.

    python -m greenrt --eventlet demo/app.py [PORT [HOST]]

It is a program for eventlet as its documentation has them; nothing in it knows greenrt. Browsers are in the namespace
`/`, devices in `/devices`. It prints `port N` when it listens, and serves until it is terminated. PORT 0 is a free one.
DEMO_SILENCE: a connection that does not answer a ping for so many seconds is given up.
"""

import eventlet

eventlet.monkey_patch()

import collections  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import eventlet.wsgi  # noqa: E402
from flask import Flask, render_template, request  # noqa: E402
from flask_socketio import SocketIO, emit  # noqa: E402
from fleet_state import COLDEST, HOT, HOTTEST, SITES, Fleet  # noqa: E402

DEVICES = int(os.environ.get("DEMO_DEVICES", "1000"))
SILENCE = int(os.environ.get("DEMO_SILENCE", "20"))
# Connections at a time: those of the devices, those of people, and what is left of lost ones.
CONNECTIONS = 2 * DEVICES + 1000
TICK = 0.5
# The rate is over so many ticks.
RATE_OVER = 6
REMEMBERED = int(60 / TICK)
LONGEST_TEXT, LONGEST_NAME, LONGEST_ID = 500, 24, 64

app = Flask(__name__)
socketio = SocketIO(app, ping_timeout=SILENCE)
fleet = Fleet(DEVICES)
people: "dict[str, str]" = {}
talk: "collections.deque[dict]" = collections.deque(maxlen=100)
ticks: "collections.deque[dict]" = collections.deque(maxlen=REMEMBERED)
spoken = 0


@app.route("/")
def page():
    return render_template("index.html", hot=HOT, coldest=COLDEST, hottest=HOTTEST, sites=SITES, devices=DEVICES)


# Whoever connects may send any event with any values: what is not as it should be is answered with False, and changes nothing.


# ---- devices


@socketio.on("connect", namespace="/devices")
def device_connects(auth=None):
    return fleet.admit(request.sid, auth.get("device") if isinstance(auth, dict) else None)


@socketio.on("reading", namespace="/devices")
def reading(number=None, temperature=None, *_):
    if not isinstance(number, int) or not fleet.knows(request.sid, temperature):
        return False
    alert = fleet.note(request.sid, temperature)
    if alert is not None:
        socketio.emit("alert", alert)
    return number


@socketio.on("disconnect", namespace="/devices")
def device_leaves(*_reason):
    fleet.leave(request.sid)


# ---- people


def words(text, longest):
    """A line of text; "" for anything else."""
    return " ".join(text[: 10 * longest].split())[:longest] if isinstance(text, str) else ""


@socketio.on("join")
def join(name=None, *_):
    """Answers with all that a page needs to begin: also one that comes back after a loss."""
    people[request.sid] = words(name, LONGEST_NAME) or "somebody"
    emit("people", len(people), broadcast=True)
    return {
        "name": people[request.sid],
        "talk": list(talk),
        "ticks": list(ticks),
        "alerts": list(fleet.alerts),
        "people": len(people),
    }


@socketio.on("say")
def say(message_id=None, text=None, *_):
    """A page that did not hear the answer says it again with the same id: everybody gets it once."""
    global spoken
    text = words(text, LONGEST_TEXT)
    if request.sid not in people or not text or not isinstance(message_id, str) or len(message_id) > LONGEST_ID:
        return False
    if all(message["id"] != message_id for message in talk):
        spoken += 1
        message = {"id": message_id, "name": people[request.sid], "text": text, "at": time.time()}
        talk.append(message)
        emit("said", message, broadcast=True)
    return True


@socketio.on("disconnect")
def person_leaves(*_reason):
    if people.pop(request.sid, None) is not None:
        emit("people", len(people), broadcast=True)


# ---- the figures


def process_figures():
    with open("/proc/self/status") as status:
        found = dict(line.split(":", 1) for line in status)
    return {"memory": int(found["VmRSS"].split()[0]) * 1024, "threads": int(found["Threads"])}


def tick_for_ever():
    number = 0
    seen = collections.deque([(time.monotonic(), 0)], maxlen=RATE_OVER)
    while True:
        socketio.sleep(TICK)
        now, count = time.monotonic(), fleet.readings + spoken
        (then, before), number = seen[0], number + 1
        seen.append((now, count))
        tick = {
            "number": number,
            "at": time.time(),
            "rate": round((count - before) / (now - then), 1),
            "messages": count,
            **fleet.figures(),
            **process_figures(),
        }
        ticks.append(tick)
        socketio.emit("tick", tick)
        # To one after the other: what python-engineio encodes for a WebSocket it would give to those that poll as well.
        for person in list(people):
            socketio.emit("map", bytes(fleet.map), to=person)


if __name__ == "__main__":
    place = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    listener = eventlet.listen(place, backlog=1024)
    socketio.start_background_task(tick_for_ever)
    print("port", listener.getsockname()[1], flush=True)
    eventlet.wsgi.server(listener, app, max_size=CONNECTIONS, log_output=False)
