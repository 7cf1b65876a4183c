"""What a task promises: its outcome, its end, its name, who is told."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import pytest

import greenrt
from greenrt import Task, TaskExit, Timeout, current, sleep, spawn, spawn_after


def test_wait_gives_the_result() -> None:
    def add(a: int, b: int, *, c: int) -> int:
        sleep(0)
        return a + b + c

    assert spawn(add, 1, 2, c=3).wait() == 6
    assert spawn(lambda: None).wait() is None


def test_wait_can_be_asked_again_and_by_several() -> None:
    task = spawn(lambda: sleep(0.01) or [1])
    waiters = [spawn(task.wait) for _ in range(20)]
    results = [waiter.wait() for waiter in waiters]
    assert all(result is task.wait() for result in results)


def test_wait_raises_the_exception_again(capfd: Any) -> None:
    error = ValueError("x")

    def fail() -> None:
        sleep(0)
        raise error

    task = spawn(fail)
    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            task.wait()
        assert caught.value is error
        assert caught.traceback[-1].name == "fail", "the traceback leads into the task"
    assert task.done


def test_an_uncaught_exception_is_printed_with_its_traceback(capsys: Any) -> None:
    def inner() -> None:
        raise LookupError("nobody catches this")

    def outer() -> None:
        inner()

    task = spawn(outer)
    with pytest.raises(LookupError):
        task.wait()
    printed = capsys.readouterr().err
    assert printed.startswith(f"Exception in task {task.name}:\nTraceback (most recent call last):\n")
    assert "in outer\n" in printed and "in inner\n" in printed
    assert printed.endswith("LookupError: nobody catches this\n")


def test_task_exit_and_system_exit_are_not_printed(capsys: Any) -> None:
    def leave(kind: type[BaseException]) -> None:
        raise kind

    for kind in (TaskExit, SystemExit):
        task = spawn(leave, kind)
        with pytest.raises(kind):
            task.wait()
    assert capsys.readouterr().err == ""


def test_a_report_that_fails_does_not_hurt_the_task(capsys: Any, monkeypatch: Any) -> None:
    import sys

    hooked: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", hooked.append)
    monkeypatch.setattr(sys, "stderr", object())
    task = spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        task.wait()
    assert len(hooked) == 1 and isinstance(hooked[0].exc_value, AttributeError)


def test_wait_with_a_timeout() -> None:
    task = spawn(sleep, 30)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        task.wait(timeout=0.05)
    assert 0.04 <= time.monotonic() - start < 20
    with pytest.raises(TimeoutError):
        task.wait(0)
    with pytest.raises(TimeoutError):
        task.wait(-1)
    assert not task.done
    task.kill()
    assert task.done


def test_a_waiter_that_gave_up_is_not_woken_by_the_end() -> None:
    task = spawn(sleep, 0.05)
    with pytest.raises(TimeoutError):
        task.wait(0.001)
    start = time.monotonic()
    sleep(0.1)
    assert time.monotonic() - start >= 0.1
    assert task.wait() is None


def test_a_task_cannot_wait_for_itself_nor_for_the_root() -> None:
    def itself() -> None:
        with pytest.raises(RuntimeError, match="itself"):
            current().wait()

    root = current()
    spawn(itself).wait()

    def the_root() -> None:
        with pytest.raises(RuntimeError, match="root"):
            root.wait()

    spawn(the_root).wait()


def test_current_is_the_task_that_runs() -> None:
    assert current() is current()
    assert current().name == "root"
    task = spawn(current)
    assert task.wait() is task


def test_tasks_start_in_order_and_after_the_spawner_parks() -> None:
    order: list[int] = []
    tasks = [spawn(order.append, number) for number in range(50)]
    assert order == []
    for task in tasks:
        task.wait()
    assert order == list(range(50))


def test_sleep_zero_takes_turns() -> None:
    order: list[tuple[str, int]] = []

    def count(name: str) -> None:
        for number in range(3):
            order.append((name, number))
            sleep(0)

    tasks = [spawn(count, name) for name in "abc"]
    for task in tasks:
        task.wait()
    assert order == [(name, number) for number in range(3) for name in "abc"]


def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    order: list[float] = []

    def nap(seconds: float) -> None:
        sleep(seconds)
        order.append(seconds)

    naps = [0.05, 0.01, 0.03, 0.02, 0.04]
    start = time.monotonic()
    for task in [spawn(nap, seconds) for seconds in naps]:
        task.wait()
    assert order == sorted(naps)
    assert time.monotonic() - start >= 0.05


def test_done_name_id_and_repr() -> None:
    def worker() -> None:
        sleep(0)

    task = spawn(worker)
    assert not task.done
    assert task.name == f"worker-{task.id}"
    assert "not started" in repr(task)
    task.name = "Bob"
    sleep(0)
    assert repr(task) == "<Task Bob running>"
    task.wait()
    assert task.done and repr(task) == "<Task Bob done>"
    assert spawn(worker).id > task.id
    with pytest.raises(TypeError):
        task.name = 5  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        task.done = True  # type: ignore[misc]


def test_the_name_of_a_task_is_still_known_when_it_is_done() -> None:
    def worker() -> None:
        pass

    task = spawn(worker)
    task.wait()
    assert task.name == f"worker-{task.id}"


def test_attributes_and_weak_references() -> None:
    task: Any = spawn(lambda: None)
    task.extra = 1
    assert task.extra == 1
    reference = weakref.ref(task)
    assert reference() is task
    task.wait()
    del task
    gc.collect()
    assert reference() is None


def test_a_cycle_through_a_task_is_collected() -> None:
    class Thing:
        pass

    thing: Any = Thing()
    task = spawn(lambda it: it, thing)
    task.wait()
    thing.task = task
    reference = weakref.ref(thing)
    del thing, task
    gc.collect()
    assert reference() is None


def test_arguments_are_let_go_when_the_task_is_done() -> None:
    class Thing:
        pass

    thing = Thing()
    reference = weakref.ref(thing)
    task = spawn(lambda it: None, thing)
    del thing
    task.wait()
    gc.collect()
    assert reference() is None


def test_link_is_called_with_the_task_in_order() -> None:
    told: list[tuple[Any, ...]] = []
    task = spawn(lambda: 5)
    task.link(lambda *args, **kwargs: told.append((*args, kwargs)), 1, a=2)
    task.link(lambda done: told.append((done.wait(),)))
    assert told == []
    task.wait()
    sleep(0)
    assert told == [(task, 1, {"a": 2}), (5,)]
    task.link(lambda done: told.append(("late",)))
    assert told[-1] == ("late",)


def test_unlink_takes_one_link_back() -> None:
    told: list[int] = []
    task = spawn(lambda: None)

    def tell(_: Task[Any], number: int) -> None:
        told.append(number)

    task.link(tell, 1)
    task.link(tell, 2)
    assert task.unlink(tell, 1) is True
    assert task.unlink(tell, 1) is False
    assert task.unlink(print) is False
    task.wait()
    sleep(0)
    assert told == [2]


def test_a_link_that_fails_does_not_stop_the_others(monkeypatch: Any) -> None:
    import sys

    hooked: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", hooked.append)
    told: list[int] = []
    task = spawn(lambda: None)
    task.link(lambda _: 1 / 0)
    task.link(lambda _: told.append(1))
    task.wait()
    sleep(0)
    assert told == [1] and len(hooked) == 1


def test_spawn_after_waits_first() -> None:
    start = time.monotonic()
    task = spawn_after(0.05, lambda a, b: a + b, 1, b=2)
    assert task.wait() == 3
    assert time.monotonic() - start >= 0.05


def test_spawn_after_killed_in_time_never_calls() -> None:
    called: list[int] = []
    task = spawn_after(0.5, called.append, 1)
    sleep(0)
    task.kill()
    sleep(0.6)
    assert called == [] and task.done


def test_contextvars_start_empty_and_stay_apart() -> None:
    import contextvars

    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=-1)
    variable.set(99)

    def one(number: int) -> int:
        assert variable.get() == -1
        variable.set(number)
        sleep(0)
        return variable.get()

    for _ in range(2):  # the second time in pooled workers
        tasks = [spawn(one, number) for number in range(20)]
        assert [task.wait() for task in tasks] == list(range(20))
    assert variable.get() == 99


def test_thread_locals_of_a_run_are_gone_at_its_end() -> None:
    local = threading.local()

    class Thing:
        pass

    def one() -> weakref.ref[Thing]:
        assert not hasattr(local, "thing")
        local.thing = Thing()
        sleep(0)
        return weakref.ref(local.thing)

    tasks = [spawn(one) for _ in range(20)]
    references = [task.wait() for task in tasks]
    sleep(0)
    gc.collect()
    assert [reference() for reference in references] == [None] * 20
    for task in [spawn(one) for _ in range(20)]:
        task.wait()


def test_trace_functions_of_a_run_are_gone_at_its_end() -> None:
    import sys

    def one() -> None:
        assert sys.gettrace() is None and sys.getprofile() is None
        sys.setprofile(lambda *args: None)
        sys.settrace(lambda *args: None)

    before = sys.gettrace()
    for _ in range(3):
        spawn(one).wait()
    assert sys.gettrace() is before


def test_a_generator_may_be_resumed_by_another_task() -> None:
    def numbers() -> Any:
        for number in range(10):
            sleep(0)
            yield number

    shared = numbers()
    got = [spawn(next, shared).wait() for _ in range(10)]
    assert got == list(range(10))


def test_ten_thousand_tasks() -> None:
    total = 0

    def one(number: int) -> None:
        nonlocal total
        sleep(0)
        total += number

    for task in [spawn(one, number) for number in range(10_000)]:
        task.wait()
    assert total == sum(range(10_000))


def test_local_keeps_attributes_of_each_task_and_no_longer_than_it_lives() -> None:
    import gc
    import weakref

    class Thing:
        pass

    class Mine(greenrt.local):
        def __init__(self, start: int) -> None:
            self.number = start

    mine, kept = Mine(5), []

    def body(n: int) -> int:
        assert mine.number == 5, "made anew for each task"
        mine.number, mine.thing = n, Thing()
        kept.append(weakref.ref(mine.thing))
        sleep(0)
        return mine.number

    tasks = [spawn(body, n) for n in range(20)]
    assert [task.wait() for task in tasks] == list(range(20)) and mine.number == 5
    sleep(0)
    gc.collect()
    assert [ref() for ref in kept] == [None] * 20, "also while the tasks are kept"
    with pytest.raises(AttributeError):
        mine.thing.left


def test_bad_arguments() -> None:
    with pytest.raises(TypeError):
        spawn()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        spawn(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        spawn_after(1, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        spawn_after(-1, print)
    with pytest.raises(TypeError):
        Task()
    for bad in ("1", object(), [1]):
        with pytest.raises(TypeError):
            sleep(bad)  # type: ignore[arg-type]
    for worse in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError):
            sleep(worse)
    with pytest.raises(TypeError):
        sleep(1, 2)  # type: ignore[call-arg]
    task = spawn(lambda: None)
    with pytest.raises(TypeError):
        task.wait("soon")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        task.wait(timeot=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        task.link(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        task.kill(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        task.kill(int)  # type: ignore[arg-type]
    task.wait()


def test_generic_alias_for_annotations() -> None:
    assert Task[int].__origin__ is Task  # type: ignore[attr-defined]


def test_public_names() -> None:
    assert set(greenrt.__all__) >= {
        "spawn",
        "sleep",
        "current",
        "Timeout",
        "TaskExit",
        "Task",
        "spawn_after",
        "with_timeout",
    }
    for name in greenrt.__all__:
        assert getattr(greenrt, name) is not None
    assert issubclass(TaskExit, BaseException) and not issubclass(TaskExit, Exception)
    assert issubclass(Timeout, BaseException) and not issubclass(Timeout, Exception)
