"""A fleet of devices, and in a measured run some people who chat: `fleet.py HOST PORT DEVICES PEOPLE SECONDS`.

    python -m greenrt demo/fleet.py 127.0.0.1 5000 1000 0 0        a thousand devices, until it is terminated

A program of threads and sockets: a thread for each device, which has a WebSocket of its own and sends a reading every
second. Each reading is acknowledged by the server; one that was not is sent again after the device has connected anew.
Progress goes to stdout as JSON. With SECONDS it ends, says what became of everything, and "lost" counts
readings without an answer, words that somebody did not hear or heard twice, and ticks that are missing.

Nothing here depends on how quick the machine is: whoever waits for an answer says nothing meanwhile, few connect at a time, and
a wait is given up only when nothing that it waits for has moved for long.
"""

import json
import math
import random
import re
import resource
import sys
import threading
import time

import websocket

# A connection that says nothing for so long is broken: in a measured run, where that is a fault, and in one without an end.
STUCK, ANSWER_WITHIN = 90.0, 20.0
# So many devices connect at the same time: fewer than any system lets wait to be accepted.
DIAL_AT_ONCE = 64
INTERVAL = 1.0
SAY_EVERY = 1.0
# Without an end, the times in the table are those of so many readings.
LATEST = 20_000
# Degrees at the sites, as the dashboard has them in order.
CLIMATES = (9, 28, 19, 16, 21, 14, 24, 31)
REPORT_EVERY = 0.5
# How often a wait looks.
TURN = 0.05
OURS = re.compile(r"person (\d+) says (\d+)")


class Tally:
    """What all threads count together."""

    def __init__(self, patience):
        self.lock = threading.Lock()
        self.patience = patience
        self.dialling = threading.Semaphore(DIAL_AT_ONCE)
        self.running = self.connected = self.people = 0
        self.messages = self.heard = self.said = self.ticks = 0
        self.lost = self.breaks = 0
        self.complaints = []
        self.latencies = []
        self.over = threading.Event()

    def count(self, **changes):
        with self.lock:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)

    def note(self, what):
        """The first few are told."""
        if len(self.complaints) < 5:
            self.complaints.append(what)

    def complain(self, what, lost=1):
        with self.lock:
            self.lost += lost
            self.note(what)

    def progress(self):
        with self.lock:
            names = ("connected", "people", "messages", "heard", "said", "ticks", "lost", "breaks")
            return {name: getattr(self, name) for name in names}


class Wire:
    """A Socket.IO connection over a WebSocket, in one namespace."""

    def __init__(self, host, port, namespace, auth, patience):
        self.prefix = namespace + "," if namespace != "/" else ""
        self.socket = websocket.create_connection(
            f"ws://{host}:{port}/socket.io/?EIO=4&transport=websocket", timeout=patience
        )
        self.expect("0")
        self.socket.send(f"40{self.prefix}{json.dumps(auth)}")
        self.expect("40" + self.prefix)

    def expect(self, beginning):
        text = self.next()
        if not text.startswith(beginning):
            raise websocket.WebSocketException(f"expected {beginning}, got {text[:80]}")
        return text

    def next(self):
        """The next packet that is for us: pings are answered, bytes (the map) are passed over."""
        while True:
            text = self.socket.recv()
            if text == "2":
                self.socket.send("3")
            elif text in ("", "1"):
                raise websocket.WebSocketException("the server hung up")
            elif isinstance(text, str) and text != "6":
                return text

    def emit(self, number, *values):
        self.socket.send(f"42{self.prefix}{number}{json.dumps(values)}")

    def answered(self, number):
        self.expect(f"43{self.prefix}{number}[")


def device(tally, host, port, number, devices, first):
    """One device: a temperature that swings through the day, and now and then a fault that makes it hot."""
    try:
        live(tally, host, port, number, devices, first)
    finally:
        tally.count(running=-1)


def live(tally, host, port, number, devices, first):
    pause = 0.2
    sent = 0
    chance = random.Random(number)
    middle = CLIMATES[number * len(CLIMATES) // devices] + chance.gauss(0, 1.5)
    swing, phase = chance.uniform(1, 4), chance.gauss(math.tau * number / devices, 0.5)
    heat = 0.0
    tally.over.wait(first)
    while not tally.over.is_set():
        wire, now = None, time.monotonic()
        try:
            with tally.dialling:
                now = time.monotonic()
                wire = Wire(host, port, "/devices", {"device": number}, tally.patience)
            tally.count(connected=1)
            pause = 0.2
            due = time.monotonic() + chance.uniform(0, INTERVAL)
            while not tally.over.wait(max(0.0, due - time.monotonic())):
                heat = 32.0 if chance.random() < 0.0002 else heat * 0.9
                now = time.monotonic()
                temperature = middle + swing * math.sin(now / 20 + phase) + chance.gauss(0, 0.3) + heat
                wire.emit(sent, "reading", sent, round(temperature, 2))
                wire.answered(sent)
                tally.count(messages=1)
                tally.latencies.append(time.monotonic() - now)
                sent += 1
                due = max(due + INTERVAL, time.monotonic())
        except (OSError, websocket.WebSocketException) as error:
            tally.count(breaks=1, connected=-1 if wire is not None else 0)
            doing = "connecting" if wire is None else f"reading {sent}"
            after = time.monotonic() - now
            tally.note(f"device {number}, {doing}, after {after:.1f} s: {type(error).__name__}: {error}")
            tally.over.wait(pause * chance.uniform(0.5, 1.5))
            pause = min(5.0, pause * 2)
        finally:
            if wire is not None:
                wire.socket.shutdown()


class Person:
    """Somebody who chats: says something when what was said before has arrived, and keeps account of what was heard."""

    def __init__(self, tally, host, port, number):
        self.tally, self.number = tally, number
        self.place = host, port
        self.wire = None
        self.said = self.heard = self.answers = 0
        self.last = {}
        self.tick = None
        self.gone = False
        threading.Thread(target=self.live, daemon=True).start()

    def live(self):
        try:
            self.wire = Wire(*self.place, "/", {}, self.tally.patience)
            self.tally.count(people=1)
            self.wire.emit(0, "join", f"person {self.number}")
            while True:
                text = self.wire.next()
                body = json.loads(text[text.index("[") :])
                if text.startswith("43"):
                    self.answers += 1
                elif text.startswith("42"):
                    self.event(*body)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self.gone = True
            if not self.tally.over.is_set():
                self.tally.complain(f"person {self.number}: {type(error).__name__}: {error}")

    def event(self, name, value):
        if name == "said":
            match = OURS.fullmatch(value["text"])
            if match is None:
                return
            speaker, count = map(int, match.groups())
            if count != self.last.get(speaker, 0) + 1:
                self.tally.complain(f"person {self.number} heard {value['text']!r} after {self.last.get(speaker, 0)}")
            self.last[speaker] = count
            self.heard += 1
            self.tally.count(heard=1)
        elif name == "tick":
            if self.tick is not None and value["number"] != self.tick + 1:
                self.tally.complain(f"person {self.number} saw tick {value['number']} after {self.tick}")
            self.tick = value["number"]
            self.tally.count(ticks=1)

    def all_arrived(self):
        """Has it joined, and was each word taken?"""
        return self.answers == self.said + 1

    def say(self):
        self.said += 1
        self.tally.count(said=1)
        self.wire.emit(self.said, "say", f"{self.number}-{self.said}", f"person {self.number} says {self.said}")

    def content(self):
        """Has it heard and seen everything?"""
        return self.heard == self.tally.said and self.all_arrived() and bool(self.tick)


def percentile(sorted_values, part):
    return 1000 * sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))] if sorted_values else 0.0


def latencies(tally):
    ordered = sorted(tally.latencies)
    return {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99)}


def say(**facts):
    print(json.dumps(facts), flush=True)


def report_until(done, tally):
    while not done.wait(REPORT_EVERY):
        say(**tally.progress(), complaints=tally.complaints)


def waited_for(done, moved):
    """Until done(); False when moved() stood still for STUCK seconds of our own time: those in which we do not run are not counted."""
    last, turns = moved(), 0
    while not done():
        if turns * TURN > STUCK:
            return False
        time.sleep(TURN)
        now = moved()
        last, turns = now, turns + 1 if now == last else 0
    return True


def measured(tally, host, port, devices, crowd, seconds):
    """Everybody talks for so long; afterwards each one must have heard all. How many devices were connected."""
    # A device that was connected and is cut off is a fault already: the rest goes on without it.
    if not waited_for(lambda: tally.connected >= devices or tally.breaks, lambda: tally.connected):
        tally.complain(f"{devices - tally.connected} devices could not connect", devices - tally.connected)
    people = [Person(tally, host, port, number) for number in range(crowd)]
    there = lambda: sum(person.answers > 0 or person.gone for person in people)  # noqa: E731
    if not waited_for(lambda: there() == crowd, lambda: (tally.people, there())):
        tally.complain(f"{crowd - there()} people could not join", crowd - there())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for person in people:
            if not person.gone and person.all_arrived():
                try:
                    person.say()
                except (OSError, websocket.WebSocketException) as error:
                    tally.complain(f"person {person.number} cannot say {person.said}: {type(error).__name__}: {error}")
        time.sleep(SAY_EVERY)
    waited_for(
        lambda: tally.messages and all(person.gone or person.content() for person in people),
        lambda: (tally.heard, bool(tally.messages), sum(person.answers + bool(person.tick) for person in people)),
    )
    for person in people:
        if person.heard != tally.said:
            what = f"person {person.number} heard {person.heard} of {tally.said}"
            tally.complain(what, abs(tally.said - person.heard))
        if not person.gone and not person.all_arrived():
            tally.complain(f"person {person.number} has {person.answers} answers, not {person.said + 1}")
        if not person.tick:
            tally.complain(f"person {person.number} saw no tick")
    connected = tally.connected
    tally.over.set()
    if not waited_for(lambda: tally.running == 0, lambda: tally.running):
        tally.complain(f"{tally.running} readings were not answered", tally.running)
    return connected


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    devices, crowd, seconds = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tally = Tally(STUCK if seconds else ANSWER_WITHIN)
    tally.running = devices
    dial_for = devices / 500
    for number in range(devices):
        when = dial_for * number / devices
        threading.Thread(target=device, args=(tally, host, port, number, devices, when), daemon=True).start()
    if not seconds:
        while True:
            time.sleep(REPORT_EVERY)
            del tally.latencies[:-LATEST]
            say(**tally.progress(), **latencies(tally))
    done = threading.Event()
    reporter = threading.Thread(target=report_until, args=(done, tally), daemon=True)
    reporter.start()
    connected = measured(tally, host, port, devices, crowd, seconds)
    done.set()
    reporter.join()
    progress = {**tally.progress(), "connected": connected}
    say(final=True, complaints=tally.complaints, **latencies(tally), **progress)


if __name__ == "__main__":
    main()
