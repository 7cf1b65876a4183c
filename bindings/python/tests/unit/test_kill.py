"""What kill promises: where it raises, when the task never runs, what the killer sees."""

from __future__ import annotations

import time
from typing import Any

import pytest

from greenrt import Task, TaskExit, current, sleep, spawn
from greenrt.sync import Event


def test_kill_raises_task_exit_where_the_task_is_parked() -> None:
    seen: list[str] = []

    def one() -> None:
        try:
            sleep(30)
        except TaskExit:
            seen.append("exit")
            raise
        finally:
            seen.append("finally")

    task = spawn(one)
    sleep(0)
    start = time.monotonic()
    task.kill()
    assert task.done and seen == ["exit", "finally"]
    assert time.monotonic() - start < 10
    with pytest.raises(TaskExit):
        task.wait()


def test_kill_with_an_exception_of_ones_own() -> None:
    class Stop(Exception):
        pass

    caught: list[BaseException] = []

    def one() -> str:
        try:
            sleep(30)
        except Stop as stop:
            caught.append(stop)
        return "went on"

    error = Stop("now")
    for thrown in (Stop, error):
        task = spawn(one)
        sleep(0)
        task.kill(thrown)
        assert task.wait() == "went on"
    assert isinstance(caught[0], Stop) and caught[1] is error


def test_a_task_killed_before_it_started_never_runs() -> None:
    called: list[int] = []
    task = spawn(called.append, 1)
    task.kill()
    assert called == [] and task.done
    with pytest.raises(TaskExit):
        task.wait()
    task = spawn(called.append, 2)
    task.kill(ValueError("no"), block=False)
    assert not task.done
    with pytest.raises(ValueError):
        task.wait()
    assert called == []


def test_kill_without_block_comes_back_at_once() -> None:
    seen: list[int] = []

    def one() -> None:
        try:
            sleep(30)
        finally:
            seen.append(1)

    task = spawn(one)
    sleep(0)
    task.kill(block=False)
    assert seen == [] and not task.done
    sleep(0)
    sleep(0)
    assert seen == [1] and task.done


def test_kill_waits_for_a_task_that_takes_its_time() -> None:
    def stubborn() -> str:
        try:
            sleep(30)
        except TaskExit:
            sleep(0.05)
        return "in the end"

    task = spawn(stubborn)
    sleep(0)
    task.kill()
    assert task.done and task.wait() == "in the end"


def test_kill_of_a_done_task_does_nothing() -> None:
    task = spawn(lambda: 5)
    task.wait()
    task.kill()
    assert task.wait() == 5


def test_a_task_that_kills_itself_raises_at_once() -> None:
    seen: list[int] = []

    def one() -> None:
        current().kill()
        seen.append(1)

    task = spawn(one)
    with pytest.raises(TaskExit):
        task.wait()
    assert seen == []


def test_kills_queue_up() -> None:
    seen: list[str] = []

    def one() -> None:
        for _ in range(3):
            try:
                sleep(30)
            except ValueError as error:
                seen.append(str(error))

    task = spawn(one)
    sleep(0)
    for text in "abc":
        task.kill(ValueError(text), block=False)
    task.wait()
    assert seen == ["a", "b", "c"]


def test_a_waiter_may_be_killed() -> None:
    go = Event()
    task = spawn(go.wait)
    waiter = spawn(task.wait)
    sleep(0)
    waiter.kill()
    assert waiter.done and not task.done
    go.set()
    assert task.wait()


def test_tasks_kill_each_other() -> None:
    tasks: list[Task[Any]] = []

    def one(other: int) -> None:
        try:
            sleep(0)
        finally:
            tasks[other].kill(block=False)
        sleep(30)

    tasks += [spawn(one, 1), spawn(one, 0)]
    for task in tasks:
        with pytest.raises(TaskExit):
            task.wait()


def test_what_was_thrown_at_a_run_never_reaches_the_next_run_of_its_worker() -> None:
    def quick() -> None:
        sleep(0)

    for _ in range(50):
        first = spawn(quick)
        sleep(0)
        first.kill(block=False)  # may come too late
        second = spawn(quick)
        try:
            first.wait()
        except TaskExit:
            pass
        assert second.wait() is None


def test_kill_of_the_root_raises_in_the_root() -> None:
    root = current()

    class Stop(Exception):
        pass

    killer = spawn(root.kill, Stop, block=False)
    with pytest.raises(Stop):
        sleep(30)
    killer.wait()
