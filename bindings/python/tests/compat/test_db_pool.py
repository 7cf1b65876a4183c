"""eventlet.db_pool: pools of database connections, on a driver that remembers what was done to it and on sqlite."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

from compat.apart import apart


class Driver:
    """What a driver's module has."""

    def __init__(self, wait: float = 0) -> None:
        self.wait = wait
        self.made: list[Connection] = []

    def connect(self, *args: Any, **kwargs: Any) -> Connection:
        time.sleep(self.wait)
        self.made.append(Connection(args, kwargs))
        return self.made[-1]


class Connection:
    def __init__(self, args: Any, kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs
        self.thread = threading.get_native_id()
        self.said: list[str] = []

    def rollback(self) -> None:
        self.said.append("rollback")

    def close(self) -> None:
        self.said.append("close")

    def cursor(self) -> Any:
        return self

    def where(self) -> int:
        return threading.get_native_id()


@apart
def test_connections_are_used_again() -> None:
    from eventlet import db_pool

    driver = Driver()
    pool = db_pool.RawConnectionPool(driver, 0, 2, 10, 30, 5, db_pool.cleanup_rollback, "arg", host="here")
    with pool.item() as one:
        assert one.args == ("arg",) and one.kwargs == {"host": "here"} and bool(one)
        assert pool.free() == 1
    assert driver.made[0].said == ["rollback"] and pool.free() == 2
    two = pool.get()
    assert len(driver.made) == 1
    two.close()
    assert not two and pool.free() == 2 and driver.made[0].said == ["rollback"] * 2
    pool.clear()
    assert driver.made[0].said[-1] == "close" and pool.current_size == 0


@apart
def test_who_waits_gets_the_one_that_comes_back() -> None:
    import eventlet
    from eventlet import db_pool

    pool = db_pool.RawConnectionPool(Driver(), max_size=1)
    first = pool.get()
    waiter = eventlet.spawn(pool.get)
    eventlet.sleep(0)
    assert pool.waiting() == 1
    pool.put(first)
    second = waiter.wait()
    assert second and not first
    second.close()


@apart
def test_a_connection_that_is_forgotten_comes_back() -> None:
    from eventlet import db_pool

    pool = db_pool.RawConnectionPool(Driver(), max_size=1)
    pool.get()
    gc.collect()
    assert pool.free() == 1 and len(pool.free_items) == 1


@apart
def test_old_and_idle_ones_are_closed() -> None:
    import eventlet
    from eventlet import db_pool

    for options in ({"max_age": 0}, {"max_idle": 0}):
        driver = Driver()
        pool = db_pool.RawConnectionPool(driver, max_size=1, **options)
        pool.get().close()
        assert driver.made[0].said == ["close"] and pool.free() == 1, options
        pool.get().close()
        assert len(driver.made) == 2
    for options in ({"max_age": 0.02}, {"max_idle": 0.02}):
        driver = Driver()
        pool = db_pool.RawConnectionPool(driver, max_size=1, **options)
        pool.get().close()
        assert driver.made[0].said == ["rollback"]
        for _ in range(500):
            if driver.made[0].said[-1] == "close":
                break
            eventlet.sleep(0.01)
        assert driver.made[0].said[-1] == "close" and not pool.free_items and pool.current_size == 0


@apart
def test_cleanup_as_one_wants_it() -> None:
    from eventlet import db_pool

    driver = Driver()
    seen: list[Any] = []
    pool = db_pool.RawConnectionPool(driver, max_size=1, cleanup=seen.append)
    pool.get().close()
    assert seen == [driver.made[0]] and driver.made[0].said == []
    connection = pool.get()
    pool.put(connection, cleanup=None)
    assert len(seen) == 1

    def broken(connection: Any) -> None:
        raise AttributeError

    connection = pool.get()
    pool.put(connection, cleanup=broken)
    assert driver.made[0].said == ["close"] and pool.free() == 1
    with pool.item(cleanup=None):
        pass
    assert len(driver.made) == 2 and len(seen) == 1


@apart
def test_a_connection_that_takes_too_long() -> None:
    import eventlet
    from eventlet import db_pool

    eventlet.monkey_patch(time=True)
    for kind in (db_pool.RawConnectionPool, db_pool.TpooledConnectionPool):
        pool = kind(Driver(wait=1), max_size=1, connect_timeout=0.01)
        try:
            pool.get()
        except db_pool.ConnectTimeout:
            assert pool.current_size == 0
        else:
            raise AssertionError(kind)


@apart
def test_one_that_is_too_many_is_closed() -> None:
    from eventlet import db_pool

    driver = Driver()
    pool = db_pool.RawConnectionPool(driver, max_size=2)
    first, second = pool.get(), pool.get()
    pool.resize(1)
    first.close()
    assert driver.made[0].said == ["close"] and pool.current_size == 1
    second.close()
    assert driver.made[1].said == ["rollback"] and pool.free() == 1


@apart
def test_who_is_killed_as_he_gives_one_back_takes_no_place_along() -> None:
    import eventlet
    from eventlet import db_pool

    def slow(*_: Any) -> Any:
        eventlet.sleep(60)

    def broken(connection: Any) -> None:
        raise AttributeError

    # While it is cleaned, and while a new one is made for somebody who waits.
    for cleanup, create in ((slow, None), (broken, slow)):
        pool = db_pool.RawConnectionPool(Driver(), max_size=1, cleanup=cleanup)
        connection = pool.get()
        waiter = eventlet.spawn(pool.get)
        eventlet.sleep(0)
        if create is not None:
            pool.create = create
        giver = eventlet.spawn(pool.put, connection)
        eventlet.sleep(0)
        pool.__dict__.pop("create", None)
        giver.kill()
        with eventlet.Timeout(60):
            found = waiter.wait()
        assert found and pool.current_size == 1, cleanup
        pool.put(found, cleanup=None)


@apart
def test_pooled_by_tpool() -> None:
    from eventlet import db_pool, tpool

    driver = Driver()
    assert db_pool.ConnectionPool is db_pool.TpooledConnectionPool
    pool = db_pool.ConnectionPool(driver, max_size=1)
    with pool.item() as connection:
        assert driver.made[0].thread != threading.get_native_id()
        assert isinstance(connection.cursor(), tpool.Proxy)
        assert connection.cursor().where() != threading.get_native_id()
    assert driver.made[0].said == ["rollback"]


@apart
def test_a_connector_has_a_pool_for_each_database() -> None:
    from eventlet import db_pool

    driver = Driver()
    connector = db_pool.DatabaseConnector(
        driver, {"a": {"user": "ua"}, "default": {"user": "ud"}}, db_pool.RawConnectionPool, charset="utf8"
    )
    one = connector.get("a", "x")
    assert connector.get("a", "x") is one and connector.get("a", "y") is not one
    one.get().close()
    assert driver.made[0].kwargs == {"user": "ua", "host": "a", "db": "x", "charset": "utf8"}
    assert connector.credentials_for("elsewhere") == {"user": "ud"}
