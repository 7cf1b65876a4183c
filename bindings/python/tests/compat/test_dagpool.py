"""eventlet.dagpool: green threads that depend on each other's results."""

from __future__ import annotations

from typing import Any

from compat.apart import apart


def total(key: Any, results: Any, add: int = 0) -> int:
    return sum(value for _, value in results) + add


def raises(kind: type[BaseException], call: Any, *args: Any) -> Any:
    try:
        call(*args)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@apart
def test_values_flow_along_the_graph() -> None:
    from eventlet.dagpool import DAGPool

    pool = DAGPool({"a": 1})
    pool.spawn("d", ("b", "c"), total)
    pool.spawn("b", ("a",), total, 10)
    pool.spawn("c", "ab", total, add=100)
    assert pool["d"] == 11 + 112
    assert pool.waitall() == {"a": 1, "b": 11, "c": 112, "d": 123}
    assert pool.wait(("a", "b")) == {"a": 1, "b": 11}
    assert dict(pool.items()) == pool.waitall() and set(pool.keys()) == set("abcd")
    assert pool.running() == 0 and pool.get("a") == 1 and pool.get("z", 5) == 5


@apart
def test_values_come_in_the_order_in_which_they_are_there() -> None:
    import eventlet
    from eventlet.dagpool import DAGPool

    pool = DAGPool([("first", 1)])
    seen: list[Any] = []

    def watch(key: Any, results: Any) -> str:
        seen.append("entered")
        for pair in results:
            seen.append(pair)
        return "done"

    pool.spawn("w", ("late", "first", "soon"), watch)
    eventlet.sleep(0)
    assert seen == ["entered", ("first", 1)]
    assert pool.running() == 1 and pool.running_keys() == ("w",) and pool.waiting() == 1
    assert pool.waiting_for("w") == {"late", "soon"} and pool.waiting_for() == {"w": {"late", "soon"}}
    pool.post("soon", 2)
    eventlet.sleep(0)
    assert seen[2:] == [("soon", 2)] and pool.waiting_for("w") == {"late"}
    pool.post("late", 3)
    assert pool["w"] == "done" and seen[3:] == [("late", 3)]
    assert pool.waiting() == 0 and pool.waiting_for() == {} and pool.waiting_for("w") == set()
    raises(KeyError, pool.waiting_for, "nobody")


@apart
def test_keys_are_used_once() -> None:
    import eventlet
    from eventlet.dagpool import Collision, DAGPool

    pool = DAGPool({"a": 1})
    assert str(raises(Collision, pool.spawn, "a", (), total)) == "a"
    raises(Collision, pool.post, "a", 2)
    pool.post("a", 3, replace=True)
    assert pool["a"] == 3
    pool.spawn("w", ("never",), total)
    raises(Collision, pool.spawn, "w", (), total)
    raises(Collision, pool.post, "w", 1)
    pool.kill("w")
    pool.post("w", 1)
    assert pool["w"] == 1
    raises(KeyError, pool.kill, "nobody")
    eventlet.sleep(0)

    def posts_itself(key: Any, results: Any) -> str:
        pool.post(key, "posted")
        return "returned"

    pool.spawn("self", (), posts_itself)
    assert pool["self"] == "posted"


@apart
def test_errors_flow_along_the_graph() -> None:
    from eventlet.dagpool import DAGPool, PropagateError

    pool = DAGPool({"fine": 1})

    def fail(key: Any, results: Any) -> None:
        raise ValueError("at the root")

    pool.spawn("a", (), fail)
    pool.spawn("b", ("a",), total)
    error = raises(PropagateError, lambda: pool["b"])
    assert error.key == "b" and error.exc.key == "a" and isinstance(error.exc.exc, ValueError)
    assert str(error.exc) == "PropagateError(a): ValueError: at the root"
    raises(PropagateError, pool.waitall)
    raises(PropagateError, pool.get, "a")
    raises(PropagateError, pool.items)
    assert dict(pool.wait_each_success()) == {"fine": 1}
    assert {key for key, _ in pool.wait_each_exception()} == {"a", "b"}
    pool.post("given", PropagateError("given", KeyError("k")))
    raises(PropagateError, pool.wait, ("given",))


@apart
def test_many_at_once() -> None:
    from eventlet.dagpool import DAGPool

    pool = DAGPool()
    depends = {n: range(n) for n in range(20)}
    pool.spawn_many(depends, total, add=1)
    assert pool.waitall() == {n: 2**n for n in range(20)}
    assert list(pool.wait_each(())) == []
    assert dict(pool.wait_each(range(3))) == {0: 1, 1: 2, 2: 4}
