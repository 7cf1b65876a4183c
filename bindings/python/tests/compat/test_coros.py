"""eventlet.coros: the counter."""

from __future__ import annotations

from greenrt.compat import eventlet
from greenrt.compat.eventlet import coros


def test_it_waits_while_it_is_above_zero() -> None:
    counter = coros.metaphore()
    counter.wait()
    counter.dec()
    counter.inc(2)
    done = eventlet.spawn(counter.wait)
    eventlet.sleep(0)
    counter.dec()
    eventlet.sleep(0)
    assert not done.dead
    counter.dec(5)
    done.wait()
    counter.wait()
    counter.inc()
    assert counter.counter == 1
