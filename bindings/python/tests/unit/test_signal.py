"""greenrt.signal receives signals in tasks; greenrt.statistics says what the scheduler counts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import greenrt
from greenrt import sleep, spawn
from greenrt.signal import Signal, Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals(signal.SIGUSR1, signal.SIGHUP) as made:
        yield made


def test_a_task_receives_signals_in_order(signals: Signals) -> None:
    task = spawn(lambda: [signals.receive(), next(signals)])
    sleep(0)
    os.kill(os.getpid(), signal.SIGUSR1)
    sleep(0.01)
    os.kill(os.getpid(), signal.SIGHUP)
    first, second = task.wait(60)
    assert (first.number, first.name, first.pid, first.lost) == (signal.SIGUSR1, "SIGUSR1", os.getpid(), 0)
    assert second.name == "SIGHUP" and second.uid == os.getuid()
    assert Signal(64, 0, 0, 0, 0, 0).name in ("SIGRTMAX", "signal 64")


def test_those_that_came_before_wait(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    assert signals.receive(60).number == signal.SIGUSR1
    with pytest.raises(TimeoutError):
        signals.receive(0.001)
    with pytest.raises(TimeoutError):
        signals.receive(0)


def test_a_waiting_task_can_be_killed_and_holds_the_channel_open(signals: Signals) -> None:
    task = spawn(signals.receive)
    sleep(0)
    with pytest.raises(OSError, match="EBUSY"):
        signals.close()
    task.kill()
    with pytest.raises(greenrt.TaskExit):
        task.wait()


def test_timeouts_end_the_wait(signals: Signals) -> None:
    with pytest.raises(greenrt.Timeout), greenrt.Timeout(0.001):
        signals.receive()


def test_a_signal_with_a_handler_is_refused_and_afterwards_all_is_as_before() -> None:
    with pytest.raises(OSError, match="busy"):
        Signals(signal.SIGINT)
    with pytest.raises(OSError, match="Invalid"):
        Signals(signal.SIGKILL)
    with pytest.raises(OSError, match="Invalid"):
        Signals()
    with pytest.raises(ValueError, match="no such signal"):
        Signals(65)
    made = Signals(signal.SIGUSR2)
    made.close()
    made.close()
    with pytest.raises(ValueError, match="closed"):
        made.receive()
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_statistics_count_what_happens() -> None:
    before = greenrt.statistics()
    tasks = [spawn(sleep, 30) for _ in range(3)]
    sleep(0)
    after = greenrt.statistics()
    assert after["switches"] > before["switches"] and after["timers"] >= before["timers"] + 3
    assert after["tasks_parked"] >= 3 and after["preemptions"] == before["preemptions"]
    for task in tasks:
        task.kill()
