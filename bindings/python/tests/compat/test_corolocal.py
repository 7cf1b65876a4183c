"""eventlet.corolocal: attributes of each greenthread."""

from __future__ import annotations

from typing import Any

from greenrt.compat import eventlet
from greenrt.compat.eventlet import corolocal


def test_each_has_its_own() -> None:
    space = corolocal.local()
    space.x = 1
    seen: list[Any] = []

    def one(number: int) -> None:
        seen.append(hasattr(space, "x"))
        space.x = number
        eventlet.sleep(0)
        seen.append(space.x)

    for green in [eventlet.spawn(one, number) for number in (2, 3)]:
        green.wait()
    assert seen == [False, False, 2, 3] and space.x == 1
    del space.x
    assert not hasattr(space, "x")


def test_a_class_of_ones_own_begins_anew_in_each() -> None:
    class Counter(corolocal.local):
        def __init__(self, start: int) -> None:
            self.value = start

    counter = Counter(4)
    counter.value += 1
    assert eventlet.spawn(lambda: counter.value).wait() == 4 and counter.value == 5


def test_the_ident_is_that_of_the_greenthread() -> None:
    assert corolocal.get_ident() == id(eventlet.getcurrent())
    assert eventlet.spawn(corolocal.get_ident).wait() != corolocal.get_ident()
