"""What Timeout promises, eventlet's rules."""

from __future__ import annotations

import time

import pytest

from greenrt import Timeout, current, sleep, spawn, with_timeout


def test_a_timeout_raises_itself() -> None:
    start = time.monotonic()
    with pytest.raises(Timeout) as caught:
        with Timeout(0.05) as timeout:
            sleep(30)
    assert caught.value is timeout
    assert 0.05 <= time.monotonic() - start < 10
    assert not timeout.pending


def test_a_timeout_raises_what_it_was_given() -> None:
    class Slow(Exception):
        pass

    error = Slow("x")
    with pytest.raises(Slow) as caught:
        with Timeout(0.01, error):
            sleep(30)
    assert caught.value is error
    with pytest.raises(Slow):
        with Timeout(0.01, Slow):
            sleep(30)


def test_false_is_silent() -> None:
    reached = []
    with Timeout(0.01, False):
        sleep(30)
        reached.append(1)
    assert reached == []


def test_silence_is_for_ones_own_timeout_only() -> None:
    with pytest.raises(Timeout) as caught:
        with Timeout(0.01) as outer:
            with Timeout(10, False):
                sleep(30)
    assert caught.value is outer


def test_none_never_comes() -> None:
    with Timeout(None) as timeout:
        sleep(0.01)
        assert not timeout.pending
    with Timeout():
        sleep(0)


def test_a_block_that_ends_in_time_is_not_disturbed_later() -> None:
    with Timeout(1):
        sleep(0)
    sleep(1.1)


def test_a_timeout_that_passed_while_computing_is_withdrawn_by_the_end_of_its_block() -> None:
    with Timeout(0.01):
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
    sleep(0.01)


def test_timeouts_nest() -> None:
    with pytest.raises(Timeout) as caught:
        with Timeout(0.5) as outer:
            try:
                with Timeout(0.01) as inner:
                    sleep(30)
            except Timeout as expired:
                assert expired is inner
            sleep(30)
    assert caught.value is outer
    with pytest.raises(Timeout) as caught:
        with Timeout(0.01) as outer:
            with Timeout(0.02):
                sleep(30)
    assert caught.value is outer
    sleep(0.03)


def test_cancel_and_pending() -> None:
    timeout = Timeout(0.5)
    assert timeout.pending
    timeout.cancel()
    assert not timeout.pending
    sleep(0.6)
    timeout.cancel()
    timeout.start()
    with pytest.raises(Timeout):
        sleep(30)
    assert not timeout.pending


def test_start_while_counting_is_an_error() -> None:
    timeout = Timeout(10)
    with pytest.raises(RuntimeError):
        timeout.start()
    timeout.cancel()


def test_zero_comes_at_the_next_park() -> None:
    with pytest.raises(Timeout):
        with Timeout(0):
            sleep(30)


def test_it_is_raised_in_the_task_that_made_it() -> None:
    def one(seconds: float) -> str:
        me = current()
        try:
            with Timeout(seconds):
                sleep(30)
        except Timeout:
            assert current() is me
            return "mine"
        return ""

    tasks = [spawn(one, 0.01 * (number % 5 + 1)) for number in range(50)]
    sleep(0.02)
    assert [task.wait() for task in tasks] == ["mine"] * 50


def test_another_task_may_cancel_it() -> None:
    made: list[Timeout] = []

    def one() -> str:
        made.append(Timeout(1))
        sleep(1.1)
        return "undisturbed"

    task = spawn(one)
    sleep(0)
    made[0].cancel()
    assert task.wait() == "undisturbed"


def test_a_timeout_left_behind_by_a_task_dies_with_it() -> None:
    def forgetful() -> None:
        Timeout(0.01)

    for _ in range(5):
        spawn(forgetful).wait()
    tasks = [spawn(sleep, 0.03) for _ in range(5)]  # in the same workers
    for task in tasks:
        task.wait()


def test_a_timeout_while_waiting_for_a_task() -> None:
    task = spawn(sleep, 0.1)
    with pytest.raises(Timeout):
        with Timeout(0.01):
            task.wait()
    assert task.wait() is None


def test_with_timeout() -> None:
    assert with_timeout(10, lambda a, b: a + b, 1, b=2) == 3
    assert with_timeout(0.01, sleep, 30, timeout_value="late") == "late"
    with pytest.raises(Timeout):
        with_timeout(0.01, sleep, 30)
    with pytest.raises(Timeout) as caught:
        with Timeout(0.01) as outer:
            with_timeout(10, sleep, 30, timeout_value="late")
    assert caught.value is outer


def test_texts() -> None:
    def text(*args: object) -> str:
        timeout = Timeout(*args)  # type: ignore[arg-type]
        timeout.cancel()
        return str(timeout)

    assert text(1) == "1 second"
    assert text(5) == "5 seconds"
    assert text(2, False) == "2 seconds (silent)"
    assert text(2, ValueError("x")) == "2 seconds (x)"
    assert text() == ""
    timeout = Timeout(60)
    assert repr(timeout) == "<Timeout 60 seconds pending>"
    timeout.cancel()


def test_many_timeouts_at_once() -> None:
    def one(number: int) -> int:
        try:
            with Timeout(0.02 if number % 2 else 30):
                sleep(0.1)
        except Timeout:
            return 1
        return 0

    tasks = [spawn(one, number) for number in range(1000)]
    assert sum(task.wait() for task in tasks) == 500


def test_bad_seconds() -> None:
    with pytest.raises(TypeError):
        Timeout("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Timeout(float("nan"))


def test_what_was_armed_for_a_task_does_not_disturb_its_links() -> None:
    told = []

    def link(_: object) -> None:
        sleep(0.03)
        told.append(1)

    def forgetful() -> None:
        Timeout(0.01)

    task = spawn(forgetful)
    task.link(link)
    task.wait()
    with Timeout(60):
        while not told:
            sleep(0.01)
    assert told == [1]


def test_for_ever_is_long_but_not_deaf() -> None:
    with Timeout(0.01, False):
        sleep(float("inf"))
    task = spawn(sleep, 1e300)
    sleep(0)
    task.kill()
    assert task.done
