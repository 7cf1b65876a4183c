"""sys.settrace and sys.setprofile follow the task that set them; threading's are for every new task, as for every new thread."""

import sys
import threading

from greenrt import sleep, spawn

lines = {}


def traced(number):
    def tracer(frame, event, arg):
        if frame.f_code is body.__code__:
            lines.setdefault(number, []).append((event, frame.f_locals.get("who")))
        return tracer

    def body(who):
        sleep(0)
        sleep(0)
        return who

    sys.settrace(tracer)
    body(number)
    sys.settrace(None)
    body("untraced")


def profiled(number):
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    sleep(0)
    len("x")
    sys.setprofile(None)
    return calls


others = [spawn(sleep, 0) for _ in range(10)]
tasks = [spawn(traced, number) for number in range(10)]
for task in tasks:
    task.wait()
assert set(lines) == set(range(10))
for number, events in lines.items():
    assert {who for _, who in events} == {number}
    assert [event for event, _ in events][0] == "call" and events[-1][0] == "return"
for task in [spawn(profiled, number) for number in range(10)]:
    assert task.wait().count("c_call") >= 2
assert sys.gettrace() is None and sys.getprofile() is None

# As debuggers and coverage tools do it, who reach threads that they did not start.
seen = []


def tracer(frame, event, arg):
    seen.append((threading.get_ident(), event, frame.f_code.co_name))
    return tracer


def reached():
    sleep(0)


before = spawn(sleep, 0.01)
threading.settrace(tracer)
tasks = [spawn(reached) for _ in range(3)]
idents = {task.ident for task in tasks}
for task in tasks:
    task.wait()
before.wait()
assert {ident for ident, event, name in seen if (event, name) == ("call", "reached")} == idents, seen
assert {ident for ident, event, name in seen if (event, name) == ("return", "reached")} == idents, seen
assert {ident for ident, _, _ in seen} == idents, "whoever was there before is not traced"
threading.settrace(None)
del seen[:]
spawn(reached).wait()
assert not seen
threading.setprofile(tracer)
spawn(reached).wait()
threading.setprofile(None)
assert ("call", "reached") in {(event, name) for _, event, name in seen}
spawn(reached).wait()
assert sys.gettrace() is None and sys.getprofile() is None
print("pass")
