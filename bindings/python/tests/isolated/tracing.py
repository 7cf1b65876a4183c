"""sys.settrace and sys.setprofile follow the task that set them."""

import sys

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
print("pass")
