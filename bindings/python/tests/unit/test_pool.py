"""What greenrt.pool and AsyncResult promise."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from greenrt import AsyncResult, Group, Pool, TaskExit, iwait, joinall, killall, monkey, sleep, spawn
from greenrt.queue import Full


def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        sleep(0)


def late(value: Any, rounds: int) -> Any:
    for _ in range(rounds):
        sleep(0)
    return value


def fail(*_: object) -> None:
    raise LookupError("as asked")


def test_iwait_gives_tasks_as_they_end() -> None:
    tasks = [spawn(late, n, 10 - n * 4) for n in range(3)]
    assert [task.wait() for task in iwait(tasks)] == [2, 1, 0]
    assert list(iwait(tasks, timeout=0)) != []


def test_joinall_with_too_little_time() -> None:
    quick, slow = spawn(late, 1, 1), spawn(sleep, 60)
    assert joinall([quick, slow], timeout=0.5) == [quick]
    slow.kill()
    with pytest.raises(ValueError):
        joinall([quick], timeout=-1)


def test_joinall_raises_if_asked(capsys: Any) -> None:
    tasks = [spawn(fail)]
    assert joinall(tasks) == tasks
    with pytest.raises(LookupError):
        joinall(tasks, raise_error=True)


def test_killall_ends_all() -> None:
    tasks = [spawn(sleep, 60) for _ in range(3)]
    settle()
    killall(tasks)
    assert all(task.done for task in tasks)


def test_group_knows_its_tasks() -> None:
    group = Group()
    tasks = [group.spawn(late, n, n) for n in range(3)]
    assert len(group) == 3 and tasks[0] in group and set(group) == set(tasks)
    assert not Group() or True
    assert group.join() and len(group) == 0
    stray = spawn(sleep, 60)
    group.add(stray)
    assert not group.join(0.001)
    group.discard(stray)
    assert group.join() and not stray.done
    group.add(stray)
    group.kill()
    assert stray.done and len(group) == 0
    assert group.statistics() == {"tasks": 0, "joining": 0}


def test_pool_bounds_what_runs() -> None:
    pool = Pool(2)
    running, most = 0, 0

    def work(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        sleep(0)
        running -= 1
        return n * n

    assert pool.map(work, range(10)) == [n * n for n in range(10)]
    assert most == 2 and pool.free() == 2 and not pool.full()
    assert pool.apply(work, 3) == 9


def test_pool_refuses() -> None:
    for wrong in (0, -1):
        with pytest.raises(ValueError):
            Pool(wrong)
    pool = Pool(1)
    holder = pool.spawn(sleep, 60)
    stray = spawn(sleep, 60)
    for arguments in ({"blocking": False}, {"timeout": 0.001}):
        with pytest.raises(Full):
            pool.add(stray, **arguments)  # type: ignore[arg-type]
    assert pool.full() and not pool.wait_available(0.001)
    assert stray not in pool
    pool.kill()
    assert pool.wait_available(0) and holder.done
    stray.kill()


def test_imap_keeps_the_order_and_unordered_does_not() -> None:
    group = Group()
    rounds = [9, 5, 1]
    assert list(group.imap(late, "abc", rounds)) == ["a", "b", "c"]
    assert list(group.imap_unordered(late, "abc", rounds)) == ["c", "b", "a"]
    assert list(Pool(1).imap_unordered(late, "abc", rounds)) == ["a", "b", "c"]


def test_an_exception_of_one_item_is_raised_at_its_turn(capsys: Any) -> None:
    def work(n: int) -> int:
        if n == 1:
            raise LookupError(n)
        return n

    results = Pool(2).imap(work, range(3))
    assert next(results) == 0
    with pytest.raises(LookupError):
        next(results)
    assert next(results) == 2
    with pytest.raises(StopIteration):
        next(results)
    with pytest.raises(StopIteration):
        next(results)
    assert capsys.readouterr().err == "", "who takes the results is told, nobody else"


def test_an_exception_of_the_items_themselves() -> None:
    def items() -> Any:
        yield 1
        raise KeyError("no more")

    results = Group().imap(lambda n: n, items())
    assert next(results) == 1
    with pytest.raises(KeyError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_ahead_bounds_what_is_made_before_it_is_taken() -> None:
    made: list[int] = []
    results = Group().imap(lambda n: made.append(n) or n, range(100), ahead=3)
    settle()
    assert made == [0, 1, 2]
    assert next(results) == 0
    settle()
    assert made == [0, 1, 2, 3]
    with pytest.raises(ValueError):
        Group().imap(late, [], ahead=-1)


def test_a_dropped_map_ends_its_feeding() -> None:
    results = Pool(1).imap(lambda n: n, iter(int, 1), ahead=2)
    next(results)
    feeder = weakref.ref(results._feeder)  # type: ignore[attr-defined]
    del results
    gc.collect()
    settle()
    gc.collect()
    assert feeder() is None or feeder().done


def test_map_does_not_keep_what_it_gave() -> None:
    class Item:
        pass

    gone = []
    for item in Pool(2).imap(lambda _: Item(), range(20), ahead=2):
        gone.append(weakref.ref(item))
        del item
    gc.collect()
    assert all(reference() is None for reference in gone)


def test_async_result_gives_its_value_to_all() -> None:
    result: AsyncResult[int] = AsyncResult()
    waiters = [spawn(result.get) for _ in range(3)]
    heard: list[Any] = []
    result.link(heard.append)
    settle()
    assert not result.ready() and result.value is None
    with pytest.raises(TimeoutError):
        result.get(block=False)
    with pytest.raises(TimeoutError):
        result.get(timeout=0.001)
    result.set(7)
    assert [waiter.wait() for waiter in waiters] == [7, 7, 7]
    assert result.successful() and result.get() == 7 and result.wait(0)
    settle()
    assert heard == [result]
    result.link(heard.append)
    settle()
    assert heard == [result, result]
    with pytest.raises(RuntimeError, match="before"):
        result.set(8)


def test_async_result_raises_its_exception() -> None:
    result: AsyncResult[int] = AsyncResult()
    assert result.unlink(print) is False
    result.link(print)
    assert result.unlink(print) is True
    with pytest.raises(TypeError):
        result.set_exception("no")  # type: ignore[arg-type]
    result.set_exception(LookupError("x"))
    for _ in range(2):
        with pytest.raises(LookupError):
            result.get()
    assert isinstance(result.exception, LookupError) and not result.successful()


def test_async_result_set_by_a_real_thread() -> None:
    result: AsyncResult[str] = AsyncResult()
    monkey.original("_thread.start_new_thread")(result.set, ("there",))
    assert result.get(timeout=60) == "there"
    assert result.statistics() == {"ready": 1, "waiting": 0}


def test_a_task_killed_in_a_pool_gives_its_place_back() -> None:
    pool = Pool(1)
    task = pool.spawn(sleep, 60)
    settle()
    task.kill(TaskExit)
    assert pool.free() == 1
