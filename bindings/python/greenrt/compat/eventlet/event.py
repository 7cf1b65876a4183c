"""A result that one greenthread, or OS thread, sends once and any number wait for."""

from __future__ import annotations

from typing import Any, Optional

from greenrt._ffi import native

from ._task import thrown

__all__ = ["NOT_USED", "Event"]


class _NotUsed:
    def __repr__(self) -> str:
        return "NOT_USED"


NOT_USED: Any = _NotUsed()


class _Round:
    """From one reset() to the next: who waits gets what was sent then."""

    __slots__ = ("exc", "queue", "result")

    def __init__(self) -> None:
        self.result = NOT_USED
        self.exc: Optional[tuple[Any, ...]] = None
        self.queue = native.WaitQueue()

    def look_again(self) -> None:
        """A real OS thread may have sent since the first look."""
        if self.result is not NOT_USED:
            self.queue.notify_all()

    def outcome(self) -> Any:
        """The result, or the exception raised."""
        if self.exc is None:
            return self.result
        raise thrown(self.exc)


class Event:
    """send() and send_exception() settle it, wait() waits for that. reset() makes it fresh again."""

    def __init__(self) -> None:
        self._round = _Round()

    def __str__(self) -> str:
        this = self._round
        return f"<{type(self).__name__} at {id(self):#x} result={this.result!r} _exc={this.exc!r} _waiters[{this.queue.waiting}]>"

    @property
    def _result(self) -> Any:
        return self._round.result

    @property
    def _exc(self) -> Optional[tuple[Any, ...]]:
        return self._round.exc

    def reset(self) -> None:
        """Makes it fresh, to be sent again. AssertionError when it is."""
        assert self._round.result is not NOT_USED, "Trying to re-reset() a fresh event."
        self._round = _Round()

    def ready(self) -> bool:
        """Was it sent?"""
        return self._round.result is not NOT_USED

    def has_exception(self) -> bool:
        """Was an exception sent?"""
        return self._round.exc is not None

    def has_result(self) -> bool:
        """Was a result sent?"""
        return self.ready() and self._round.exc is None

    def poll(self, notready: Any = None) -> Any:
        """What wait() gives, when it was sent; else `notready`."""
        return self._round.outcome() if self.ready() else notready

    def poll_exception(self, notready: Any = None) -> Any:
        """Raises the exception, when one was sent; else `notready`."""
        return self._round.outcome() if self.has_exception() else notready

    def poll_result(self, notready: Any = None) -> Any:
        """The result, when one was sent; else `notready`."""
        return self._round.outcome() if self.has_result() else notready

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Waits until it is sent: the result, or the exception raised; None after timeout seconds."""
        this = self._round
        if this.result is NOT_USED:
            left = None if timeout is None else max(0.0, timeout)
            if not this.queue.wait(left, this.look_again) and this.result is NOT_USED:
                return None
        return this.outcome()

    def send(self, result: Any = None, exc: Any = None) -> None:
        """Gives `result` to who waits and will wait; or raises exc there: an exception, or the arguments of a throw().
        AssertionError when it was sent before."""
        this = self._round
        assert this.result is NOT_USED, "Trying to re-send() an already-triggered event."
        if exc is not None and not isinstance(exc, tuple):
            exc = (exc,)
        this.exc = exc
        this.result = result
        this.queue.notify_all()

    def send_exception(self, *args: Any) -> None:
        """Raises an exception in who waits: an instance, a class, or what sys.exc_info() says."""
        self.send(None, args)
