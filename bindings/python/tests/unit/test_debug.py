"""greenrt.debug shows every task with its stack."""

from __future__ import annotations

import io

from greenrt import current, debug, sleep, spawn


def parked_here() -> None:
    sleep(30)


def test_every_task_is_listed_with_its_stack() -> None:
    tasks = [spawn(parked_here) for _ in range(3)]
    never = spawn(parked_here)
    sleep(0)
    listed = debug.tasks()
    assert set(listed) >= {*tasks, current()}
    text = debug.format_tasks()
    for task in tasks:
        assert f"Task {task.name} (parked):\n" in text
    assert text.count("in parked_here") >= 3
    assert "Task root (running):\n" in text and "test_every_task_is_listed" in text
    for task in [*tasks, never]:
        task.kill()
    assert not set(tasks) & set(debug.tasks())


def test_print_goes_to_the_file_given() -> None:
    stream = io.StringIO()
    spawn(debug.print_tasks, stream).wait()
    assert "(running)" in stream.getvalue() and "Task root (parked):" in stream.getvalue()
