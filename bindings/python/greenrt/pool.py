"""Many tasks at once: groups, pools with a bound, and waiting for several.

Group()          spawn, join, kill, map, imap, imap_unordered over tasks that belong together
Pool(10)         the same, at most so many at a time: spawn() waits for a place
joinall(tasks)   waits for all        iwait(tasks)   one after the other, as they end
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Optional, TypeVar, Union

from greenrt._core.clock import Countdown
from greenrt._core.task import Task, TaskExit, current, spawn
from greenrt._ffi import native
from greenrt.queue import Empty, Full, Queue

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
R = TypeVar("R")
_Outcome = tuple[Optional[R], Optional[BaseException]]

__all__ = ["Group", "Pool", "iwait", "joinall", "killall"]


def iwait(tasks: Iterable[Task[T]], timeout: Optional[float] = None) -> Iterator[Task[T]]:
    """The tasks in the order in which they end; those that are not done within timeout seconds are left out."""
    left = Countdown(timeout)
    pending = dict.fromkeys(tasks)
    ended: Queue[Task[T]] = Queue()
    for task in pending:
        task.link(ended.put)
    try:
        while pending:
            if left.over and ended.empty():
                return
            try:
                task = ended.get(timeout=left())
            except Empty:
                return
            del pending[task]
            yield task
    finally:
        for task in pending:
            task.unlink(ended.put)


def joinall(tasks: Iterable[Task[T]], timeout: Optional[float] = None, raise_error: bool = False) -> list[Task[T]]:
    """Waits for the tasks; those that ended within timeout seconds, in their order. raise_error: the first exception of
    a task is raised here."""
    ended = []
    for task in iwait(tasks, timeout):
        ended.append(task)
        if raise_error:
            task.wait()
    return ended


def killall(
    tasks: Iterable[Task[Any]], exc: Union[BaseException, type[BaseException]] = TaskExit, block: bool = True
) -> None:
    """Raises exc in each of the tasks; with block, waits until all are done."""
    me = current()
    others = [task for task in tasks if task is not me and not task.done]
    for task in others:
        task.kill(exc, block=False)
    if block:
        joinall(others)


class Group:
    """Tasks that belong together. A task leaves the group when it ends."""

    def __init__(self) -> None:
        self._tasks: set[Task[Any]] = set()
        self._empty = native.WaitQueue()

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def __iter__(self) -> Iterator[Task[Any]]:
        return iter(tuple(self._tasks))

    def __bool__(self) -> bool:
        return True

    def add(self, task: Task[Any]) -> None:
        """Takes a task in."""
        if not task.done:
            self._tasks.add(task)
        task.link(self._ended)

    def discard(self, task: Task[Any]) -> None:
        """Lets a task go, which runs on."""
        if task in self._tasks:
            task.unlink(self._ended)
            self._ended(task)

    def _ended(self, task: Task[Any]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._empty.notify_all()

    def spawn(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Starts a task in the group."""
        task = spawn(func, *args, **kwargs)
        self.add(task)
        return task

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until the group is empty: True; False after timeout seconds."""
        left = Countdown(timeout)
        while self._tasks:
            if left.over or not self._empty.wait(left(), self._look_again):
                return not self._tasks
        return True

    def _look_again(self) -> None:
        # The last one may have ended on another OS thread since the first look.
        if not self._tasks:
            self._empty.notify_all()

    def kill(self, exc: Union[BaseException, type[BaseException]] = TaskExit, block: bool = True) -> None:
        """Raises exc in every task of the group; with block, waits until all are done."""
        killall(self, exc, block)

    def map(self, func: Callable[..., R], *iterables: Iterable[Any]) -> list[R]:
        """func over the items, one task each; the results in order. The first exception, by order, is raised."""
        return list(self.imap(func, *iterables))

    def imap(self, func: Callable[..., R], *iterables: Iterable[Any], ahead: int = 0) -> Iterator[R]:
        """As map(), results as an iterator. ahead: at most so many results are made ahead of what was taken; 0: no limit."""
        return _Results(_Feed(self, func, ahead, unordered=False), zip(*iterables))

    def imap_unordered(self, func: Callable[..., R], *iterables: Iterable[Any], ahead: int = 0) -> Iterator[R]:
        """As imap(), in the order in which results come."""
        return _Results(_Feed(self, func, ahead, unordered=True), zip(*iterables))

    def apply(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls func in a task of the group, and waits for its result."""
        return self.spawn(func, *args, **kwargs).wait()

    def statistics(self) -> dict[str, int]:
        """How many tasks there are, and how many wait for them to end."""
        return {"tasks": len(self._tasks), "joining": self._empty.waiting}


class Pool(Group):
    """A group of at most `size` tasks: spawn() waits until there is a place. None: no bound."""

    def __init__(self, size: Optional[int] = None) -> None:
        super().__init__()
        if size is not None and not hasattr(size, "__index__"):
            raise TypeError(f"size is a whole number or None, not {type(size).__name__}")
        if size is not None and size < 1:
            raise ValueError("the size of a pool is 1 or more, or None")
        self.size = size
        self._places = None if size is None else native.Semaphore(size, size)

    def add(self, task: Task[Any], blocking: bool = True, timeout: Optional[float] = None) -> None:
        """Takes a task in, when there is a place. Full: there was none at once (not blocking) or within timeout seconds."""
        if self._places is not None and not self._places.acquire(blocking, timeout if blocking else None):
            raise Full
        super().add(task)

    def spawn(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Starts a task when there is a place."""
        if self._places is not None:
            self._places.acquire()
        try:
            task = spawn(func, *args, **kwargs)
        except BaseException:
            if self._places is not None:
                self._places.release()
            raise
        Group.add(self, task)
        return task

    def _ended(self, task: Task[Any]) -> None:
        if self._places is not None:
            self._places.release()
        super()._ended(task)

    def free(self) -> int:
        """How many places are free; 1 where there is no bound."""
        return 1 if self._places is None else self._places.value

    def full(self) -> bool:
        """Would spawn() wait?"""
        return self.free() == 0

    def wait_available(self, timeout: Optional[float] = None) -> bool:
        """Waits until spawn() would not wait: True; False after timeout seconds."""
        if self._places is None:
            return True
        if not self._places.acquire(True, timeout):
            return False
        self._places.release()
        return True

    def statistics(self) -> dict[str, int]:
        """Tasks, free places, and how many wait for a place or for the end."""
        waiting = 0 if self._places is None else self._places.waiting
        return {**super().statistics(), "free": self.free(), "waiting": waiting}


class _Feed(Generic[R]):
    """Spawns the tasks of a map in a task of its own, so that a pool's bound does not hold up the one who takes results. It
    knows nothing of the iterator, which may be dropped halfway."""

    def __init__(self, group: Group, func: Callable[..., R], ahead: int, unordered: bool) -> None:
        if ahead < 0:
            raise ValueError("ahead is 0 or more")
        self.group = group
        self.func = func
        self.room = native.Semaphore(ahead) if ahead else None
        self.unordered = unordered
        self.results: Queue[Optional[Task[_Outcome[R]]]] = Queue()
        self.error: Optional[BaseException] = None
        self.running = 0
        self.fed = False

    def run(self, items: Iterator[tuple[Any, ...]]) -> None:
        try:
            for arguments in items:
                if self.room is not None:
                    self.room.acquire()
                task = self.group.spawn(_quietly, self.func, arguments)
                if self.unordered:
                    self.running += 1
                    task.link(self.ended)
                else:
                    self.results.put(task)
        except Exception as error:
            self.error = error
        self.fed = True
        self.tell()

    def ended(self, task: Task[_Outcome[R]]) -> None:
        self.running -= 1
        self.results.put(task)
        self.tell()

    def tell(self) -> None:
        """Nothing more will come."""
        if self.fed and not self.running:
            self.results.put(None)


class _Results(Generic[R]):
    """The results of a map; dropped halfway, it ends the feeding."""

    def __init__(self, feed: _Feed[R], items: Iterator[tuple[Any, ...]]) -> None:
        self._feed = feed
        self._feeder = spawn(feed.run, items)

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        feed = self._feed
        task = feed.results.get()
        if task is None:
            feed.results.put(None)
            error, feed.error = feed.error, None
            if error is not None:
                raise error
            raise StopIteration
        value, error = task.wait()
        if feed.room is not None:
            feed.room.release()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    def __del__(self) -> None:
        feeder = getattr(self, "_feeder", None)
        if feeder is not None and not feeder.done:
            feeder.kill(block=False)


def _quietly(func: Callable[..., R], arguments: tuple[Any, ...]) -> _Outcome[R]:
    """The result or the exception: who takes the results is told, so it is not printed."""
    try:
        return func(*arguments), None
    except Exception as error:
        return None, error
