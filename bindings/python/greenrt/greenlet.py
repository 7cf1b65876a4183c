"""The greenlet API over tasks: coroutines that say themselves who runs next.

    from greenrt.greenlet import getcurrent, greenlet

    def echo(value):
        while True:
            value = getcurrent().parent.switch(value)

    g = greenlet(echo)
    g.switch(1)     1
    g.switch(2)     2

Names and behaviour are those of the `greenlet` package. Each task has a main greenlet and a tree of its own; a greenlet runs on a stack
of its own, as a task does, so it may also park (sleep, a socket, a lock): then other tasks run, and the greenlets of its tree
wait. What comes to the task meanwhile (kill(), a Timeout) is raised in the greenlet that runs.

Different from the package: a greenlet has an identity, `threading.local` values and an asyncio running loop of its own,
as a task has. And a Timeout that a greenlet made, and which ends while the greenlet is switched away from, is raised when it is
switched to again. In the child of a fork only the greenlet that forked is there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Optional, Union
from weakref import ref

from greenrt._core import task as _task
from greenrt._core.task import Task, TaskExit, current
from greenrt._ffi import native

__all__ = ["GreenletExit", "error", "getcurrent", "gettrace", "greenlet", "settrace"]

assert _task

Trace = Callable[[str, "tuple[greenlet, greenlet]"], object]

_NEW, _STARTED, _DEAD = range(3)

# An inbox that holds nothing.
_EMPTY: tuple[bool, Any] = (False, None)
_hand_over = native.hand_over


class error(Exception):
    """A switch that is not possible."""


class _GreenletExit(BaseException):
    """Ends a greenlet in silence: its parent gets it as a value."""


_GreenletExit.__name__ = _GreenletExit.__qualname__ = "GreenletExit"
if TYPE_CHECKING:
    GreenletExit = _GreenletExit
else:
    # One class for both, so that who catches the package's catches it here.
    try:
        from greenlet import GreenletExit
    except ImportError:
        GreenletExit = _GreenletExit


class _Tree:
    """The greenlets of a task: which one runs, and who is told of switches."""

    __slots__ = ("current", "main", "origin", "thread", "trace")

    def __init__(self, main: greenlet) -> None:
        self.main = self.current = main
        self.thread = threading.get_native_id()
        self.trace: Optional[Trace] = None
        self.origin: Optional[greenlet] = None


class greenlet:
    """A coroutine. switch() runs it until it switches elsewhere, or ends: then its parent goes on with the result."""

    GreenletExit = GreenletExit
    error = error

    run: Callable[..., Any]
    _parent: Optional[greenlet]
    _tree: _Tree
    _task: Optional[Task[Any]]
    _number: int
    _state: int
    _inbox: tuple[bool, Any]
    _context: Optional[Context]

    def __new__(cls, *args: Any, **kwargs: Any) -> greenlet:
        made = object.__new__(cls)
        made._state = _NEW
        made._task = made._context = None
        made._number = 0
        parent = getcurrent()
        made._parent, made._tree = parent, parent._tree
        return made

    def __init__(self, run: Optional[Callable[..., Any]] = None, parent: Optional[greenlet] = None) -> None:
        if run is not None:
            self.run = run
        if parent is not None:
            self.parent = parent

    @property
    def parent(self) -> Optional[greenlet]:
        """Who goes on when this one ends; None for the main greenlet of a task."""
        return self._parent

    @parent.setter
    def parent(self, parent: greenlet) -> None:
        if not isinstance(parent, greenlet):
            raise TypeError(f"GreenletParent: expected a greenlet, not {type(parent).__name__}")
        if self._parent is None:
            raise AttributeError("cannot set the parent of a main greenlet")
        above: Optional[greenlet] = parent
        while above is not None:
            if above is self:
                raise ValueError("cyclic parent chain")
            above = above._parent
        if parent._tree is not self._tree:
            if self._state == _STARTED:
                raise ValueError("parent cannot be on a different thread")
            self._tree = parent._tree
        self._parent = parent

    @property
    def dead(self) -> bool:
        """Did it end?"""
        return self._state == _DEAD

    def __bool__(self) -> bool:
        return self._state == _STARTED

    @property
    def gr_context(self) -> Optional[Context]:
        """The `contextvars.Context` that it runs in; may be set before it starts and while it is switched away from."""
        if self._task is None or self._state != _STARTED:
            return self._context
        return native.context_get(self._task)

    @gr_context.setter
    def gr_context(self, context: Optional[Context]) -> None:
        if context is not None and not isinstance(context, Context):
            raise TypeError("greenlet context must be a contextvars.Context or None")
        if self._task is None or self._state != _STARTED:
            self._context = context
        else:
            native.context_set(self._task, context)

    @property
    def gr_frame(self) -> Optional[FrameType]:
        """The frame where it switched away; None for one that runs, has not started, or is dead."""
        if self._task is None or self._state != _STARTED or self is getcurrent():
            return None
        frame = sys._current_frames().get(self._task.ident or 0)
        while frame is not None and frame.f_globals is globals():
            frame = frame.f_back
        return frame

    def switch(self, *args: Any, **kwargs: Any) -> Any:
        """Runs it: a new one calls run(*args, **kwargs), another one gets the arguments as the result of its own switch(): one
        positional argument as it is, several as a tuple, keywords as a dict, both as a pair.

        Returns what the next one that switches here brings. `error` for a greenlet of another task.
        """
        return _switch(self, False, (args, kwargs))

    def throw(
        self,
        typ: Union[type[BaseException], BaseException] = GreenletExit,
        val: Any = None,
        tb: Optional[TracebackType] = None,
    ) -> Any:
        """As switch(), but it raises the exception there. One that has not started is dead then, and its parent gets the exception."""
        return _switch(self, True, _exception(typ, val, tb))

    def __del__(self) -> None:
        task = self._task
        if task is None or self._state == _DEAD or self._parent is None:
            return
        if sys.is_finalizing() or self._tree.thread != threading.get_native_id():
            task.kill(block=False)
            return
        # It unwinds here and now, with whoever runs as its parent.
        try:
            here = getcurrent()
            tree = here._tree
            # A collection may come in the middle of a switch, when something is on its way to who runs, or from there.
            on_its_way = tree.current, tree.origin, getattr(here, "_inbox", _EMPTY)
            task.greenlet = self  # type: ignore[attr-defined]  # the weak reference may be gone
            self._parent, self._tree = here, tree
            try:
                _switch(self, True, GreenletExit())
            finally:
                tree.current, tree.origin, here._inbox = on_its_way
        except RuntimeError:
            pass  # the interpreter is ending, and nobody switches

    def __repr__(self) -> str:
        state = ("pending", "suspended", "dead")[self._state]
        if self._state == _STARTED and self is self._tree.current:
            state = "current"
        main = " main" if self._parent is None else ""
        return f"<{type(self).__module__}.{type(self).__name__} object at {id(self):#x} {state}{main}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


def getcurrent() -> greenlet:
    """The greenlet that runs; in a task that never made one, its main greenlet."""
    task = current()
    try:
        found = task.greenlet  # type: ignore[attr-defined]
    except AttributeError:
        main: greenlet = object.__new__(greenlet)
        main._state = _STARTED
        main._parent = main._context = None
        main._task, main._number = task, native.hand_number()
        main._tree = _Tree(main)
        task.greenlet = main  # type: ignore[attr-defined]
        return main
    return found() if found.__class__ is ref else found  # type: ignore[no-any-return]


def settrace(callback: Optional[Trace]) -> Optional[Trace]:
    """From now on callback(event, (origin, target)) is told of each switch ('switch') and throw ('throw') among the greenlets of this
    task, in the target. Returns the one before. A callback that raises is removed, and the exception is the target's."""
    tree = getcurrent()._tree
    before, tree.trace = tree.trace, callback
    return before


def gettrace() -> Optional[Trace]:
    """What settrace() has set."""
    return getcurrent()._tree.trace


def _exception(typ: Any, val: Any, tb: Optional[TracebackType]) -> BaseException:
    """What `raise` would make of it."""
    if tb is not None and not isinstance(tb, TracebackType):
        raise TypeError("throw() third argument must be a traceback object")
    if isinstance(typ, BaseException):
        if val is not None:
            raise TypeError("instance exception may not have a separate value")
        made = typ
    elif isinstance(typ, type) and issubclass(typ, BaseException):
        made = (
            val if isinstance(val, typ) else typ() if val is None else typ(*(val if isinstance(val, tuple) else (val,)))
        )
    else:
        raise TypeError(f"exceptions must be classes, or instances, not {type(typ).__name__}")
    return made if tb is None else made.with_traceback(tb)


def _alive(target: greenlet, thrown: bool, payload: Any) -> tuple[greenlet, bool, Any]:
    """Who gets it: `target`, or for a dead one its nearest parent that is not. One that has not started dies of an exception."""
    while True:
        if target._state == _NEW and thrown:
            target._state = _DEAD
            target.__dict__.pop("run", None)
        if target._state != _DEAD:
            return target, thrown, payload
        if thrown and isinstance(payload, GreenletExit):
            thrown, payload = False, ((payload,), {})
        assert target._parent is not None
        target = target._parent


def _send(tree: _Tree, me: greenlet, target: greenlet, thrown: bool, payload: Any) -> int:
    """Puts it into the target's hands; the number to hand over to."""
    if target._task is None:
        target.run  # noqa: B018 - AttributeError before anything is done
        target._task = native.hand_new(_start)
        target._number = target._task.ident or 0
        target._task.greenlet = ref(target)  # type: ignore[attr-defined]
    target._inbox = (thrown, payload)
    tree.current = target
    if tree.trace is not None:
        tree.origin = me
    return target._number


def _arrived(tree: _Tree, thrown: bool) -> None:
    """Tells who wants to know."""
    origin, tree.origin = tree.origin, None
    if tree.trace is not None and origin is not None:
        try:
            tree.trace("throw" if thrown else "switch", (origin, tree.current))
        except BaseException:
            tree.trace = None
            raise


def _switch(target: greenlet, thrown: bool, payload: Any) -> Any:
    me = getcurrent()
    tree = me._tree
    if target._state != _STARTED:
        target, thrown, payload = _alive(target, thrown, payload)
    if target._tree is not tree:
        raise error("cannot switch to a different thread")
    if target is not me:
        number = _send(tree, me, target, thrown, payload)
        main = me is tree.main
        del me, target, payload  # who is switched away from is kept alive by others only
        held = None
        try:
            fault = _hand_over(number)
            if fault is not None:
                held = _wait_on(tree, main, fault)
        except BaseException as failed:
            tree.current = getcurrent()
            if isinstance(failed, ProcessLookupError):
                raise error("the greenlet is gone: the process has forked since") from None
            raise
        me = tree.current
        if held is not None:
            raise held
        thrown, payload = me._inbox
        me._inbox = _EMPTY
        if tree.trace is not None:
            _arrived(tree, thrown)
    if thrown:
        try:
            raise payload
        finally:
            del payload, me  # no cycle through the traceback
    args, kwargs = payload
    if kwargs:
        return (args, kwargs) if args else kwargs
    return args[0] if len(args) == 1 else args


def _wait_on(tree: _Tree, main: bool, fault: Optional[BaseException]) -> Optional[BaseException]:
    """Something came while others of the tree run. What comes to the task is for the one that runs; what a greenlet asked for itself waits
    until it is switched to, and is returned then."""
    held = None
    while fault is not None:
        if isinstance(fault, TaskExit) and not main:
            raise fault
        running = tree.current._task
        if main and running is not None:
            running.kill(fault, block=False)
        else:
            held = held or fault
        del running
        fault = native.hand_await()
    return held


def _start() -> int:
    """The body of each greenlet's task; the number to hand over to at its end."""
    task = current()
    me: Optional[greenlet] = task.greenlet()  # type: ignore[attr-defined]
    assert me is not None
    tree = me._tree
    thrown, payload = me._inbox
    me._inbox = _EMPTY
    me._state = _STARTED
    own = native.context_get(task)
    native.context_set(task, me._context)
    me._context = None
    run = me.run
    me.__dict__.pop("run", None)
    del me
    try:
        if tree.trace is not None:
            _arrived(tree, thrown)
        if not thrown:
            args, kwargs = payload
            del payload
            payload = run(*args, **kwargs)
    except BaseException as raised:
        thrown, payload = True, raised
    finally:
        del run
        args = kwargs = None
        context = native.context_get(task)
        native.context_set(task, own)
    me = getcurrent()
    me._state, me._context = _DEAD, context
    me._task = None
    if thrown and isinstance(payload, GreenletExit):
        thrown = False
    if tree.current is not me:
        # It was ended while another one runs: as a task of its own.
        if thrown:
            raise payload
        return 0
    if not thrown:
        payload = ((payload,), {})
    target, thrown, payload = _alive(me, thrown, payload)
    try:
        return _send(tree, me, target, thrown, payload)
    finally:
        del me, target, payload


_start.__name__ = "greenlet"  # the tasks are called so
for _function in (getcurrent, settrace, gettrace):
    setattr(greenlet, _function.__name__, staticmethod(_function))
