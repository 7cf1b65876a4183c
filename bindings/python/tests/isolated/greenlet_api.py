"""The greenlet API over tasks: switches, parents, exceptions, contexts, frames, what is left behind, and tasks around it."""

import contextvars
import copy
import gc
import pickle
import sys
import threading
import weakref

import greenrt
from greenrt import TaskExit, Timeout, sleep, spawn
from greenrt.greenlet import GreenletExit, error, getcurrent, gettrace, greenlet, settrace


def raised(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as caught:
        return caught
    raise AssertionError(f"no {kind.__name__}")


# Values both ways, the life of a greenlet.
main = getcurrent()
assert main.parent is None and main and not main.dead and getcurrent() is main
assert greenlet.getcurrent is getcurrent and greenlet.GreenletExit is GreenletExit and greenlet.error is error


def echo(*args, **kwargs):
    got = main.switch(args, kwargs)
    while got != "end":
        got = main.switch(got)
    return "ended"


g = greenlet(echo)
assert not g and not g.dead and g.parent is main and "pending" in repr(g)
assert g.switch(1, a=2) == ((1,), {"a": 2})
assert g and not g.dead and "suspended" in repr(g) and "main" in repr(main)
assert g.switch() == () and g.switch(5) == 5 and g.switch(1, 2) == (1, 2)
assert g.switch(a=1) == {"a": 1} and g.switch(1, a=2) == ((1,), {"a": 2})
assert g.switch("end") == "ended" and g.dead and not g and "dead" in repr(g)
assert g.switch("back") == "back" and g.switch() == () and main.switch(7) == 7
assert raised(AttributeError, greenlet().switch).args
assert greenlet(lambda: getcurrent()).switch().dead


class Own(greenlet):
    def run(self, value):
        assert getcurrent() is self and "current" in repr(self)
        return self.parent.switch(value + 1) * 2


own = Own()
assert own.switch(1) == 2 and own.switch(21) == 42 and own.dead

# A ring of three, with parents that are not the main greenlet.
log = []


def visits(name, next_one):
    for _ in range(3):
        log.append(name)
        next_one().switch()
    return name


ring = []
ring.append(greenlet(lambda: visits("a", lambda: ring[1])))
ring.append(greenlet(lambda: visits("b", lambda: ring[2]), ring[0]))
ring.append(greenlet(lambda: visits("c", lambda: ring[0]), ring[1]))
assert ring[0].switch() == "a"
assert log == list("abc" * 3) and ring[0].dead and not ring[1].dead
ring[2].switch()
assert all(one.dead for one in ring)

# A result goes to the nearest parent that lives, a fresh parent is started with it.
fresh = greenlet(lambda value: ("parent got", value))
child = greenlet(lambda: "result", fresh)
assert child.switch() == ("parent got", "result")
assert greenlet(lambda: "again", fresh).switch() == "again"

# Exceptions: to the parent with their traceback; into a greenlet by throw().


def fails():
    raise LookupError("inside")


names = []
traceback = raised(LookupError, greenlet(fails).switch).__traceback__
while traceback is not None:
    names.append(traceback.tb_frame.f_code.co_name)
    traceback = traceback.tb_next
assert names[-1] == "fails", names


def catches():
    while True:
        try:
            main.switch("ready")
        except ValueError as caught:
            main.switch(("caught", caught.args))


g = greenlet(catches)
g.switch()
assert g.throw(ValueError, "text") == ("caught", ("text",))
g.switch()
assert g.throw(ValueError("made")) == ("caught", ("made",))
g.switch()
assert g.throw(ValueError, ("a", "b")) == ("caught", ("a", "b"))
assert raised(KeyError, g.throw, KeyError("out")).args == ("out",) and g.dead
assert raised(KeyError, g.throw, KeyError).args == (), "a dead one passes it on"
assert isinstance(g.throw(), GreenletExit), "but an exit is a value"
g = greenlet(catches)
g.switch()
assert isinstance(g.throw(), GreenletExit) and g.dead
g = greenlet(fails)
assert raised(KeyError, g.throw, KeyError) is not None and g.dead, "one that never started dies of it"
assert isinstance(greenlet(fails).throw(), GreenletExit)
assert raised(TypeError, main.throw, 5) and raised(TypeError, main.throw, KeyError(), 5)
assert raised(TypeError, main.throw, KeyError, 5, 5)
try:
    raise LookupError("with a traceback")
except LookupError as caught:
    kept = caught.__traceback__
assert raised(KeyError, main.throw, KeyError, None, kept).__traceback__.tb_next is not None

# What sys.exc_info() says stays with each greenlet.


def handles():
    try:
        raise ValueError
    except ValueError:
        main.switch()
        assert sys.exc_info()[0] is ValueError
    main.switch()
    assert sys.exc_info()[0] is None


g = greenlet(handles)
try:
    raise KeyError
except KeyError:
    for _ in range(3):
        g.switch()
        assert sys.exc_info()[0] is KeyError
assert g.dead

# Parents may be changed, but not to make a cycle.
a, b = greenlet(echo), greenlet(echo)
b.parent = a
assert raised(ValueError, setattr, a, "parent", b) and raised(ValueError, setattr, a, "parent", a)
assert raised(AttributeError, setattr, main, "parent", a) and raised(TypeError, setattr, a, "parent", 5)
assert raised(TypeError, greenlet, echo, 5) and raised(TypeError, pickle.dumps, a) and raised(TypeError, copy.copy, a)
b.parent = main
del a, b

# Contexts.
variable = contextvars.ContextVar("variable", default="none")


def in_context(value):
    before = variable.get()
    variable.set(value)
    main.switch(before)
    return variable.get()


variable.set("main's")
one, two = greenlet(in_context), greenlet(in_context)
assert one.switch("one's") == "none" and two.switch("two's") == "none"
assert variable.get() == "main's" and one.gr_context[variable] == "one's"
assert one.switch() == "one's" and two.switch() == "two's" and one.gr_context[variable] == "one's"
three = greenlet(in_context)
three.gr_context = shared = contextvars.copy_context()
assert three.gr_context is shared and three.switch("three's") == "main's" and three.gr_context is shared
three.gr_context = other = contextvars.Context()
other.run(variable.set, "put there")
assert three.gr_context is other and three.switch() == "put there" and shared[variable] == "three's"
four = greenlet(lambda: (variable.set("for both"), main.gr_context is getcurrent().gr_context)[1])
four.gr_context = main.gr_context
assert four.switch() is True and variable.get() == "for both"
five = greenlet(lambda: variable.get())
five.gr_context = None
assert five.switch() == "none"
assert raised(TypeError, setattr, greenlet(), "gr_context", 5)
five.gr_context = shared
assert five.dead and five.gr_context is shared

# Frames.


def here():
    main.switch(sys._getframe())


g = greenlet(here)
assert g.gr_frame is None
frame = g.switch()
assert g.gr_frame is frame and frame.f_code is here.__code__ and main.gr_frame is None
assert greenlet(lambda: main.gr_frame.f_code.co_name).switch() == "<module>"
g.switch()
assert g.gr_frame is None
del frame

# settrace.
events = []
assert settrace(lambda event, pair: events.append((event, *pair))) is None and gettrace() is not None
g = greenlet(catches)
g.switch()
g.throw(ValueError)
raised(KeyError, g.throw, KeyError)
assert settrace(None) is not None and gettrace() is None
assert [(event, origin is g, target is g) for event, origin, target in events] == [
    ("switch", False, True),
    ("switch", True, False),
    ("throw", False, True),
    ("switch", True, False),
    ("throw", False, True),
    ("throw", True, False),
]
events.clear()


def bad(_event, _pair):
    raise ArithmeticError


settrace(bad)
assert raised(ArithmeticError, greenlet(int).switch) and gettrace() is None

# What is left behind unwinds at once, and everything is freed.
log.clear()


class Thing:
    pass


def leaves(thing):
    try:
        main.switch()
    finally:
        sleep(0)
        log.append("unwound")


references = []
for _ in range(20):
    thing = Thing()
    references.append(weakref.ref(thing))
    g = greenlet(leaves)
    g.switch(thing)
    references.append(weakref.ref(g))
    del thing, g
assert log == ["unwound"] * 20
for _ in range(3):
    g = greenlet(lambda: None)
    references += [weakref.ref(g)]
    g.switch()
    holder = Thing()
    holder.cycle, holder.greenlet = holder, greenlet(leaves)
    holder.greenlet.switch(Thing())
    references.append(weakref.ref(holder))
    del g, holder
gc.collect()
assert [reference() for reference in references] == [None] * len(references)
assert log == ["unwound"] * 23

# A collection may unwind one in the middle of a switch between others.
log.clear()
before = gc.get_threshold()
gc.set_threshold(1, 1, 1)
for n in range(300):
    holder = Thing()
    holder.cycle, holder.greenlet = holder, greenlet(leaves)
    holder.greenlet.switch(Thing())
    del holder
    g = greenlet(lambda x: x + main.switch(x))
    assert g.switch(n) == n and g.switch(1) == n + 1 and g.dead and getcurrent() is main
gc.set_threshold(*before)
gc.collect()
assert log == ["unwound"] * 300

# Greenlets park as tasks do: others run meanwhile, other trees switch meanwhile.


def tree(name):
    mine = getcurrent()
    assert mine.parent is None and mine is not main

    def deep(value):
        sleep(0)
        return value * 2

    def child(value):
        sleep(0.001)
        value = greenlet(deep).switch(value)
        value = mine.switch(value)
        sleep(0)
        return value

    made = greenlet(child)
    assert made.switch(name) == name * 2
    sleep(0)
    assert getcurrent() is mine
    return made.switch(name)


for _ in range(3):
    tasks = [spawn(tree, number) for number in range(40)]
    assert [task.wait() for task in tasks] == list(range(40))

# A greenlet belongs to its task.


def foreign(other):
    return str(raised(error, other.switch)), str(raised(ValueError, setattr, other, "parent", getcurrent()))


g = greenlet(catches)
g.switch()
assert spawn(foreign, g).wait()[0] == "cannot switch to a different thread"


def moves():
    g = greenlet(lambda: "moved")
    g.parent = getcurrent()
    return g.switch()


assert spawn(moves).wait() == "moved"

# kill() and Timeout are raised in the greenlet that runs, and pass through its parents.
log.clear()


def patient(name):
    try:
        sleep(30)
    finally:
        sleep(0)
        log.append((name, getcurrent().parent is not None))


def killed():
    try:
        greenlet(lambda: greenlet(patient).switch("inner")).switch()
    finally:
        log.append("outer")


task = spawn(killed)
sleep(0.01)
task.kill()
assert raised(TaskExit, task.wait) is not None and log == [("inner", True), "outer"]
with Timeout(0.01, False):
    greenlet(patient).switch("timeout")
assert log[-1] == ("timeout", True) and getcurrent() is main


def swallows():
    try:
        sleep(30)
    except Timeout:
        return "swallowed"


with Timeout(0.01):
    assert greenlet(swallows).switch() == "swallowed"


def times_out():
    try:
        with Timeout(0.01, LookupError("its own")):
            main.switch("away")
    except LookupError as caught:
        return caught.args


g = greenlet(times_out)
assert g.switch() == "away"
sleep(0.03)
assert g.switch() == ("its own",), "raised when it is switched to"

# Tasks that end with greenlets left, OS threads that do; SystemExit.


def ends_first():
    mine = getcurrent()
    left = greenlet(lambda: mine.switch())
    left.switch()
    return left


left = spawn(ends_first).wait()
assert not left.dead and raised(error, left.switch)
del left
gc.collect()
results = []


def thread():
    results.append(tree(1))
    results.append([task.wait() for task in [spawn(tree, number) for number in range(5)]])
    kept.append(ends_first())


kept = []
threads = [threading.Thread(target=thread) for _ in range(3)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert results.count(1) == 3 and results.count(list(range(5))) == 3
kept.clear()
gc.collect()
assert raised(SystemExit, greenlet(lambda: sys.exit(3)).switch).code == 3

# Many at once, and all of it in the workers of those before.
for _ in range(2):
    many = [greenlet(echo) for _ in range(500)]
    for index, one in enumerate(many):
        assert one.switch(index) == ((index,), {})
    assert [one.switch(index) for index, one in enumerate(many)] == list(range(500))
    assert all(one.switch("end") == "ended" for one in many)
assert len(greenrt.debug.tasks()) < 5 if hasattr(greenrt, "debug") else True
assert greenrt.current().name == "root"
left = greenlet(leaves)
left.switch(5)
print("pass")
