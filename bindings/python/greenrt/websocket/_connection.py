"""A WebSocket once the handshake is over, the same for both sides: the engine turns bytes into messages and back, this moves the bytes."""

from __future__ import annotations

import errno
import socket as _socket
import ssl as _ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Optional, Union

import greenrt.monkey as monkey
from greenrt._core.clock import Countdown
from greenrt._ffi import native
from greenrt.sync import Event
from greenrt.timeout import Timeout

from ._errors import ConnectionClosed, ProtocolError
from ._handshake import Agreed, agree

__all__ = ["MAX_SIZE", "WebSocket"]

Data = Union[bytes, bytearray, memoryview]
Message = Union[str, bytes]

MAX_SIZE = 1 << 20
CLOSE_TIMEOUT = 10.0
_PIECE = 1 << 16
# Kinds of frames; 0 is a message, 16 a fragment of one and 17 its last, whose type says the rest.
MESSAGE, CLOSE, PING, PONG, FRAGMENT, LAST_FRAGMENT = 0, 8, 9, 10, 16, 17
# Codes that may stand in a close frame (RFC 6455, 7.4, and its registry).
_CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
# What the engine says of the other side's faults, and what the other side is told.
_FAULTS = {
    errno.EBADMSG: (1002, "a frame that may not be"),
    errno.EILSEQ: (1007, "no UTF-8, or not to be inflated"),
    errno.EMSGSIZE: (1009, "too long a message"),
}


class WebSocket:
    """One end of a WebSocket.

    Made by connect(), accept(), serve() and WebSocketApp; by hand over any connected socket on which the handshake is over: `server` is
    which side this is, `early` what was read after the handshake. With `keep` the socket is left open at the end, for its owner.

    max_size: bytes of a message, inflated; more closes the WebSocket with 1009. ping_interval: after so many seconds without a word of
    the other side a recv() that waits sends a ping, and after as many more without an answer the WebSocket is closed (1006).
    """

    __slots__ = (
        "__weakref__",
        "_close_sent",
        "_close_timeout",
        "_descriptor",
        "_ended",
        "_engine",
        "_fragments",
        "_heard",
        "_keep",
        "_ping_count",
        "_ping_interval",
        "_pinged",
        "_pings",
        "_receiving",
        "_sending",
        "_server",
        "_socket",
        "close_code",
        "close_reason",
        "environ",
        "path",
        "request_headers",
        "response_headers",
        "subprotocol",
    )

    def __init__(
        self,
        sock: Any,
        *,
        server: bool,
        agreed: Optional[Agreed] = None,
        path: str = "/",
        max_size: Optional[int] = MAX_SIZE,
        early: bytes = b"",
        ping_interval: Optional[float] = None,
        close_timeout: float = CLOSE_TIMEOUT,
        keep: bool = False,
    ) -> None:
        agreed = agreed or Agreed(None, None)
        turn_green(isinstance(sock, _ssl.SSLSocket))
        self._socket = sock
        self._server = server
        self._engine = native.WebSocketEngine(server, max_size, agree(agreed.deflate, server))
        # A plain socket is read and written by the engine itself.
        plain = isinstance(sock, _socket.socket) and not isinstance(sock, _ssl.SSLSocket)
        self._descriptor: Optional[Callable[[], int]] = sock.fileno if plain else None
        self._receiving = native.Semaphore(1)
        self._sending = native.Semaphore(1)
        self._close_timeout = close_timeout
        self._close_sent: Optional[tuple[int, str]] = None
        self._ended: Optional[Event] = None
        # Of the message that goes out in fragments: set when it has ended, and its task; None: there is none.
        self._fragments: Optional[tuple[Event, Any]] = None
        self._keep = keep
        self._ping_interval = ping_interval
        self._ping_count = 0
        self._pings: Optional[dict[bytes, Event]] = None
        self._pinged = False
        self._heard = monotonic() if ping_interval is not None else 0.0
        self.path = path
        self.subprotocol = agreed.subprotocol
        self.environ: Optional[dict[str, Any]] = None
        self.request_headers: Sequence[tuple[str, str]] = ()
        self.response_headers: Sequence[tuple[str, str]] = ()
        self.close_code: Optional[int] = None
        self.close_reason = ""
        if early:
            self._engine.feed(early)

    # -- receiving

    def recv(self, timeout: Optional[float] = None) -> Message:
        """The next message: a str for text, bytes for binary data.

        ConnectionClosed when there will be none; TimeoutError after timeout seconds, and nothing is lost. Pings of the other side are
        answered meanwhile. Several tasks may call: each message goes to one of them.
        """
        left = None
        if timeout is None:
            self._receiving.acquire()
        else:
            left = Countdown(timeout)
            if not self._receiving.acquire(True, timeout):
                raise TimeoutError("no message yet")
        try:
            while True:
                event = self._event(left)
                if type(event) is not tuple:
                    return event  # type: ignore[no-any-return]
        finally:
            self._receiving.release()

    def __iter__(self) -> Iterator[Message]:
        """Messages until the WebSocket is closed; ConnectionClosed unless that was with 1000 or 1001."""
        while True:
            try:
                message = self.recv()
            except ConnectionClosed as closed:
                if closed.code in (1000, 1001):
                    return
                raise
            yield message

    def _event(self, left: Optional[Countdown]) -> Any:
        """What comes next: a message, or a control frame that was dealt with."""
        while self.close_code is None:
            seconds = left() if left is not None else None
            # Who has said goodbye asks for nothing more, and waits as long as close() does.
            wait = seconds if self._ping_interval is None or self._close_sent else self._patience(seconds)
            try:
                if self._descriptor is not None:
                    event = self._engine.receive(self._descriptor(), wait)
                else:
                    event = self._engine.next()
                    if event is None:
                        event = self._fill(wait)
            except OSError as error:
                if error.errno in _FAULTS:
                    self._fail(*_FAULTS[error.errno])
                event = (0,)
            if self._ping_interval is not None and event is not None:
                self._heard, self._pinged = monotonic(), False
            if type(event) is tuple:
                self._control(event)
            elif event is None:
                if wait is seconds:
                    raise TimeoutError("no message yet")
                self._idle()
                continue
            return event
        raise ConnectionClosed(self.close_code, self.close_reason)

    def _patience(self, seconds: Optional[float]) -> float:
        """How long to wait for the other side before it is asked whether it is there."""
        assert self._ping_interval is not None
        due = max(0.0, self._heard + self._ping_interval - monotonic())
        return due if seconds is None or due < seconds else seconds

    def _fill(self, wait: Optional[float]) -> Any:
        """As the engine's receive(), on a socket that only Python can read."""
        while True:
            data = None
            if wait is None:
                data = self._socket.recv(_PIECE)
            else:
                with Timeout(wait, False):
                    data = self._socket.recv(_PIECE)
                if data is None:
                    # Bytes that are there win, as in receive(): the time may have passed while this process stood still.
                    with Timeout(0, False):
                        data = self._socket.recv(_PIECE)
            if data is None:
                return None
            if not data:
                return (0,)
            self._engine.feed(data)
            event = self._engine.next()
            if event is not None:
                return event

    def _idle(self) -> None:
        """Nothing was heard for a while: a ping; and if that was before, the end."""
        if self._close_sent is not None:
            return  # another task's close() waits for the answer
        if self._pinged:
            self._lost("no answer to a ping")
        # The answer has its time from now on: recv() may have been called late.
        self._heard, self._pinged = monotonic(), True
        with suppress(ConnectionClosed), Timeout(self._ping_interval, False):  # closed meanwhile: recv() will say so
            self._transmit(PING, b"")

    def _control(self, event: tuple[Any, ...]) -> None:
        kind = event[0]
        if kind == MESSAGE:
            self._lost("the connection was lost")
        elif kind == PING:
            if self._close_sent is None:
                with suppress(ConnectionClosed):  # closed meanwhile: recv() will say so
                    self._transmit(PONG, event[1])
        elif kind == PONG:
            if self._pings and event[1] in self._pings:
                # An answer to one answers those before as well (RFC 6455, 5.5.3).
                for data in list(self._pings):
                    self._pings.pop(data).set()
                    if data == event[1]:
                        break
        elif kind == CLOSE:
            self._closing(event[1], event[2])

    # -- sending

    def send(self, message: Union[str, Data, Iterable[Union[str, Data]]]) -> None:
        """Sends a message: a str as text, anything with a buffer as binary data. Waits while the other side does not take it.

        An iterable of such pieces, all str or all binary, is one message as well, each piece a fragment (RFC 6455, 5.4) that leaves when the
        iterable yields it: for messages that are large, or not there yet. Meanwhile pings are answered, and other messages wait. An
        iterable without pieces sends nothing; one that raises, or whose send() is given up, closes the WebSocket with 1011, since a message
        that was begun cannot be taken back.

        ConnectionClosed when the WebSocket is closed, or close() was called. TypeError: neither of them.
        """
        whole: Any = message
        if isinstance(whole, (str, bytes)) or _has_buffer(whole):
            self._transmit(MESSAGE, whole)
        elif isinstance(whole, Iterable) and not isinstance(whole, Mapping):
            self._send_fragments(whole)
        else:
            raise TypeError(f"a message is str, bytes or an iterable of its fragments, not {type(message).__name__}")

    def _send_fragments(self, fragments: Iterable[Union[str, Data]]) -> None:
        mine = (Event(), native.current())
        end: Union[str, bytes, None] = None
        try:
            for fragment in fragments:
                self._transmit(FRAGMENT, fragment, mine)
                end = "" if isinstance(fragment, str) else b""
            if end is not None:
                self._transmit(LAST_FRAGMENT, end, mine)
        except BaseException as error:
            if self._fragments is mine:
                hurry = None if isinstance(error, Exception) else min(0.5, self._close_timeout)
                self.close(1011, "a message was given up", timeout=hurry)
            raise
        finally:
            if self._fragments is mine:
                self._fragments = None
            mine[0].set()

    def ping(self, data: Optional[Data] = None) -> Event:
        """Sends a ping. The event is set when its answer was received, which takes a task that is in recv()."""
        if data is None:
            self._ping_count += 1
            data = b"%d" % self._ping_count
        if self._pings is None:
            self._pings = {}
        event = self._pings.setdefault(bytes(data), Event())
        self._transmit(PING, data)
        return event

    def pong(self, data: Data = b"") -> None:
        """Sends a pong that nobody asked for. Pings are answered without it."""
        self._transmit(PONG, data)

    def _transmit(self, kind: int, data: Union[str, Data], mine: Optional[tuple[Event, Any]] = None) -> None:
        """Sends a frame when it may go out: no message between the fragments of another."""
        while True:
            self._sending.acquire()
            try:
                if self.close_code is not None or self._close_sent is not None:
                    raise self._refusal()
                other = self._fragments
                if other is None or other is mine or CLOSE <= kind <= PONG:
                    self._write(kind, data, mine)
                    return
            finally:
                self._sending.release()
            if other[1] is native.current():
                raise RuntimeError("the iterable of a message sends another message on the same WebSocket")
            other[0].wait()

    def _write(self, kind: int, data: Union[str, Data], mine: Optional[tuple[Event, Any]] = None) -> None:
        """Sends a frame, after what earlier ones left unsent: a send that was given up in the middle is finished by the next."""
        try:
            if self._descriptor is not None and mine is None:
                self._engine.send(self._descriptor(), kind, data)
                return
            self._engine.put(kind, data)
            self._fragments = mine or self._fragments  # from here on the message is begun
            while True:
                rest = self._engine.output()
                if not rest:
                    return
                self._engine.written(self._socket.send(rest))
        except OSError as error:
            self._end(1006, "the connection was lost")
            raise ConnectionClosed(1006, "the connection was lost") from error
        except BaseException:
            # A socket of another kind does not say how much it has sent. The engine knows of its own, and TLS goes on with the record.
            if self._descriptor is None and not isinstance(self._socket, _ssl.SSLSocket):
                self._end(1006, "a send was given up in the middle")
            raise

    def _refusal(self) -> ConnectionClosed:
        if self.close_code is not None:
            return ConnectionClosed(self.close_code, self.close_reason)
        return ConnectionClosed(*(self._close_sent or (1006, "")))

    # -- the end

    def close(self, code: int = 1000, reason: str = "", *, timeout: Optional[float] = None) -> None:
        """Closes the WebSocket: says so, and waits for the other side's answer for timeout seconds at most (None: `close_timeout`).

        Messages that come meanwhile are dropped. Nothing happens when it is closed. ValueError: a code or reason that may not be sent.
        """
        payload = close_payload(code, reason)
        if self.close_code is not None:
            return
        if timeout is None:
            timeout = self._close_timeout
        left = Countdown(timeout)
        if self._close_sent is None:
            try:
                with Timeout(timeout, TimeoutError()):
                    self._say_close(code, reason, payload)
            except ConnectionClosed:
                return
            except TimeoutError:
                self._end(1006, "the other side takes nothing")
                return
        if not self._receiving.acquire(False):
            # A task is in recv(): it gets the answer.
            if self._ended is None:
                self._ended = Event()
            if not self._ended.wait(left()):
                self._end(1006, "no answer to a close")
            return
        try:
            while self.close_code is None:
                self._event(left)
        except TimeoutError:
            self._end(1006, "no answer to a close")
        except ConnectionClosed:
            pass
        finally:
            self._receiving.release()

    def _say_close(self, code: int, reason: str, payload: bytes) -> None:
        self._sending.acquire()
        try:
            if self.close_code is not None:
                raise ConnectionClosed(self.close_code, self.close_reason)
            if self._close_sent is None:
                self._close_sent = (code, reason)
                self._write(CLOSE, payload)
        finally:
            self._sending.release()

    def _closing(self, code: int, reason: str) -> None:
        """The other side's close frame: answered, if it is not the answer; then nothing follows."""
        if self._close_sent is None:
            try:
                with Timeout(self._close_timeout, TimeoutError()):
                    self._say_close(code, reason, b"" if code == 1005 else close_payload(code, reason))
            except (ConnectionClosed, TimeoutError):
                pass
        if self.close_code is None:
            self._end(code, reason, polite=not self._server)

    def _fail(self, code: int, reason: str) -> Any:
        """The other side broke the protocol: it is told, and nothing follows."""
        try:
            with Timeout(self._close_timeout, TimeoutError()):
                self._say_close(code, reason, close_payload(code, reason))
        except (ConnectionClosed, TimeoutError):
            pass
        if self.close_code is None:
            self._end(code, reason, polite=True)
        raise ProtocolError(code, reason) from None

    def _lost(self, text: str) -> Any:
        if self.close_code is None:
            self._end(1006, text)
        raise ConnectionClosed(self.close_code or 1006, self.close_reason)

    def _end(self, code: int, reason: str, polite: bool = False) -> None:
        """Nothing is sent or received from now on. Polite: the other side hangs up first, within close_timeout."""
        self.close_code, self.close_reason = code, reason
        if self._ended is not None:
            self._ended.set()
        for event in (self._pings or {}).values():
            event.set()
        if self._fragments is not None:
            self._fragments[0].set()
        sock = self._socket
        try:
            if polite:
                hang_up(sock, self._close_timeout)
        finally:
            with suppress(OSError, TypeError):  # gone, or no socket of the standard library
                _socket.socket.shutdown(sock, _socket.SHUT_RDWR)
            if not self._keep:
                sock.close()

    @property
    def closed(self) -> bool:
        """Is it closed? Known when a recv(), send() or close() saw it."""
        return self.close_code is not None

    @property
    def socket(self) -> Any:
        """The socket below. Whoever reads or writes there breaks the WebSocket."""
        return self._socket

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()  # type: ignore[no-any-return]

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.finish(kind)

    def finish(self, kind: Optional[type[BaseException]]) -> None:
        """Closes after an exception of that class, or none: 1000; 1011 after one that was not expected.

        1001 when the task is killed; then the other side has half a second to answer.
        """
        if kind is None or issubclass(kind, ConnectionClosed):
            self.close()
        elif issubclass(kind, Exception):
            self.close(1011)
        else:
            self.close(1001, timeout=min(0.5, self._close_timeout))

    def __repr__(self) -> str:
        state = "open" if self.close_code is None else f"closed {self.close_code}"
        return f"<WebSocket {'from' if self._server else 'to'} {self.path} {state}>"


def hang_up(sock: Any, seconds: float) -> None:
    """Bytes that are on their way are taken: left where they are they would reset the connection, and what was said last with it."""
    with suppress(OSError, ValueError, TypeError), Timeout(seconds, False):
        _socket.socket.shutdown(sock, _socket.SHUT_WR)
        while sock.recv(_PIECE):
            pass


_turned: set[str] = set()


def turn_green(tls: bool = False) -> None:
    """Patches what a WebSocket waits in, once."""
    if "socket" not in _turned:
        monkey.patch("socket", "select")
        _turned.add("socket")
    if tls and "ssl" not in _turned:
        monkey.patch("ssl")
        _turned.add("ssl")


def _has_buffer(message: Any) -> bool:
    try:
        memoryview(message).release()
    except TypeError:
        return False
    return True


def close_payload(code: int, reason: str) -> bytes:
    """What a close frame carries. ValueError when that may not be sent."""
    if code not in _CODES and not 3000 <= code <= 4999:
        raise ValueError(f"{code} is no code for a close")
    data = reason.encode()
    if len(data) > 123:
        raise ValueError("the reason of a close is 123 bytes at most")
    return code.to_bytes(2, "big") + data
