"""check(): from a result of the library to an exception."""

from __future__ import annotations

import errno

import pytest

from greenrt import TaskExit, current, spawn
from greenrt._ffi.errors import check
from greenrt._ffi.load import library


def test_results_pass_and_errors_raise() -> None:
    assert check(0) == 0 and check(17) == 17
    with pytest.raises(FileNotFoundError) as caught:
        check(-errno.ENOENT)
    assert caught.value.errno == errno.ENOENT and caught.value.strerror
    with pytest.raises(ProcessLookupError):
        check(library.gt_unpark(999_999_999))
    with pytest.raises(OSError):
        check(library.gt_join(library.gt_self(), None))


def test_an_interrupt_raises_what_stands_behind_it() -> None:
    def one() -> None:
        while True:
            try:
                check(library.gt_sleep(30_000_000_000))
            except InterruptedError:
                pass

    task = spawn(one)
    spawn(lambda: None).wait()
    task.kill(ValueError("behind it"), block=False)
    with pytest.raises(ValueError, match="behind it"):
        task.wait()


def test_an_interrupt_with_nothing_behind_it_says_so() -> None:
    def one() -> str:
        try:
            check(library.gt_park())
        except InterruptedError:
            return "nothing"
        return "?"

    task = spawn(one)
    spawn(lambda: None).wait()
    assert task.ident is not None
    assert library.gt_interrupt(task.ident, 2_000_000_000) == 0
    assert task.wait() == "nothing"


def test_a_cancelled_task_raises_task_exit_each_time() -> None:
    seen = []

    def one() -> None:
        for _ in range(3):
            try:
                check(library.gt_sleep(30_000_000_000))
            except TaskExit:
                seen.append(1)

    task = spawn(one)
    spawn(lambda: None).wait()
    assert task.ident is not None
    check(library.gt_cancel(task.ident))
    task.wait()
    assert seen == [1, 1, 1]
    assert spawn(current).wait().done
