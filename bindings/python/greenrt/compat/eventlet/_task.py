"""A task as eventlet's programs see it: a greenlet whose parent is the hub.

`Green` is the main greenlet of its task (greenrt.greenlet), so getcurrent() is one and the same whoever asks. switch() and throw()
deliver to the task, wherever it waits, and then wait as the caller of a greenlet's switch() does. Where the `greenlet` package is
installed, a Green is an instance of its class too, and GreenletExit is one class.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional
from weakref import ref

from greenrt import monkey
from greenrt._core.task import Task, TaskExit, current
from greenrt._ffi import native
from greenrt.greenlet import _DEAD, _NEW, _STARTED, GreenletExit, _exception, _Tree, greenlet

__all__ = [
    "Green",
    "GreenletExit",
    "HubGreen",
    "Switched",
    "away",
    "getcurrent",
    "note_root",
    "park",
    "report",
    "root",
    "thrown",
]

if TYPE_CHECKING:
    _Base = greenlet
    _new = object.__new__
else:
    _Base, _new = greenlet, object.__new__
    try:
        import greenlet as _package

        if issubclass(GreenletExit, _package.GreenletExit) and _package.greenlet is not greenlet:
            # Ours comes first: of the package's class there is only the name.
            _Base = type(
                "greenlet", (greenlet, _package.greenlet), {"__doc__": greenlet.__doc__, "__module__": __name__}
            )
            _new = _package.greenlet.__new__
    except ImportError:
        pass

_native_sleep = native.sleep
_nobody = native.WaitQueue()


class Switched(BaseException):
    """Somebody switched to this greenthread. It ends hub.switch() and sleep(); elsewhere nobody waits for it."""

    def __init__(self, value: Any) -> None:
        super().__init__("switched to while it waited for something else")
        self.value = value


class _Late:
    """An attribute that is made when it is first asked for. A `__getattr__` would slow all the others down."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        made = instance.__dict__[self._name] = self._make(instance)
        return made


class Green(_Base):
    """A task. New until it runs; `_task` is there once it has been started, and gone when it has ended."""

    # Places of their own: one that nobody gives an attribute to has no dictionary.
    __slots__ = ("_context", "_parent", "_state", "_task")

    # What only a task with further greenlets needs; asked for in the task itself.
    _tree: Any = _Late(_Tree)
    _number: Any = _Late(lambda _: native.hand_number())

    def __new__(cls, *args: Any, **kwargs: Any) -> Green:
        made: Green = _new(cls)
        made._state = _NEW
        made._task = made._parent = made._context = None
        return made

    def __init__(self, parent: Optional[greenlet] = None) -> None:
        pass

    @property
    def parent(self) -> Optional[greenlet]:
        """The hub's greenlet; None for the root task."""
        from .hubs import get_hub

        task = self._task
        return None if task is not None and task is root() else get_hub().greenlet

    @parent.setter
    def parent(self, parent: greenlet) -> None:
        pass  # who ends goes to the hub

    @property
    def dead(self) -> bool:
        """Did it end?"""
        return self._state == _DEAD or (self._task is not None and self._task.done)

    def start(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Makes the task; it runs when its turn comes."""
        task: Task[Any] = native.spawn(_body, self, func, args, kwargs)
        self._task = task
        task.greenlet = self  # type: ignore[attr-defined]

    def main(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """What the task does."""
        del self  # as in _body()
        function(*args, **kwargs)

    def never(self, error: BaseException) -> None:
        """It is ended before it has begun."""
        self._state = _DEAD
        task, self._task = self._task, None
        if task is not None:
            task.kill(block=False)

    def deliver(self, error: BaseException) -> None:
        """Raises it where the task waits, or will wait next."""
        if self._state == _NEW:
            if not isinstance(error, Switched):
                self.never(error)
            elif self._task is None:
                self._first(error)
        elif self._task is not None and not self._task.done:
            self._task.kill(error, block=False)

    def _first(self, switched: Switched) -> None:
        """The first switch() says what to run."""
        function, args, kwargs = switched.value
        self.start(function, args, kwargs)

    def switch(self, *args: Any, **kwargs: Any) -> Any:
        """Ends its hub.switch() or sleep(), with the arguments as the result. From the hub: comes back when it waits again; else:
        when somebody switches here."""
        value: Any = args[0] if len(args) == 1 else args
        if kwargs:
            value = (args, kwargs) if args else kwargs
        if self is getcurrent():
            return value
        self.deliver(Switched(value))
        return away()

    def throw(self, *throw_args: Any) -> Any:
        """As switch(), but it raises the exception there."""
        error = thrown(throw_args)
        if self is getcurrent():
            raise error
        self.deliver(error)
        return away()


class HubGreen(Green):
    """The greenlet of a hub. No task is behind it: the callbacks of timers and listeners run in its name."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._state = _STARTED

    @property
    def parent(self) -> Optional[greenlet]:
        """The greenlet of the root task."""
        return adopt(root())

    @parent.setter
    def parent(self, parent: greenlet) -> None:
        pass

    def switch(self, *args: Any, **kwargs: Any) -> Any:
        """hub.switch()"""
        return self._hub.switch()

    def throw(self, *throw_args: Any) -> Any:
        """Raises it in the root task."""
        root().kill(thrown(throw_args), block=False)
        return away()


def _body(green: Green, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Runs as the task."""
    green._state = _STARTED
    try:
        green.main(function, args, kwargs)
    except BaseException as error:
        report(error)
    finally:
        green._state = _DEAD
        green._task = None
        # Where an exception in a cycle holds on to this frame, it holds on to nothing more.
        del green, function, args, kwargs


def report(error: BaseException) -> None:
    """Nobody caught it: the traceback is printed. The program ends by SystemExit and KeyboardInterrupt, whoever raises them."""
    if isinstance(error, (GreenletExit, TaskExit, Switched)):
        return
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        root().kill(error, block=False)
        return
    from .hubs import get_hub

    if get_hub().debug_exceptions and sys.stderr is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
        sys.stderr.flush()


# OS thread -> its root task, which is known to who runs as it only.
_roots: dict[int, Task[Any]] = {}


def note_root() -> None:
    """Called in a root task, notes it."""
    task = current()
    if task.ident == monkey.original("_thread.get_ident")():
        _roots[threading.get_native_id()] = task


def root() -> Task[Any]:
    """The root task of this OS thread."""
    return _roots.get(threading.get_native_id()) or native.tasks()[0]


def _forked() -> None:
    _roots.clear()
    note_root()


note_root()
os.register_at_fork(after_in_child=_forked)


def adopt(task: Task[Any]) -> greenlet:
    """The greenlet of any task, also one that eventlet's names did not start."""
    found = getattr(task, "greenlet", None)
    if found is None:
        made = Green()
        made._state, made._task = _STARTED, task
        task.greenlet = made  # type: ignore[attr-defined]
        return made
    return found() if found.__class__ is ref else found  # type: ignore[no-any-return]


def getcurrent() -> Any:
    """The greenthread that runs; the hub's greenlet in its callbacks."""
    task = current()
    try:
        found = task.greenlet  # type: ignore[attr-defined]
    except AttributeError:
        return adopt(task)
    return found() if found.__class__ is ref else found


# The tasks in park(), and how often callbacks of hubs have run.
parked: set[Task[Any]] = set()
called = [0]


def park() -> Any:
    """Waits until somebody switches here; what they bring."""
    task = current()
    parked.add(task)
    try:
        while True:
            _nobody.wait()
    except Switched as switched:
        return switched.value
    finally:
        parked.discard(task)


def away() -> Any:
    """After a delivery: in the hub others run once; elsewhere the caller waits to be switched to."""
    if isinstance(getcurrent(), HubGreen):
        _native_sleep(0)
        return None
    return park()


def thrown(throw_args: tuple[Any, ...]) -> BaseException:
    """The exception that throw(*throw_args) raises."""
    typ, value, tb = (*throw_args, None, None, None)[:3]
    return _exception(GreenletExit if typ is None else typ, value, tb)
