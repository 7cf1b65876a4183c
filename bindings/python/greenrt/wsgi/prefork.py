"""The master: starts the workers, starts those anew that die, and passes on what signals ask for. It runs no application.

Each worker has a listening socket of its own on the same address (SO_REUSEPORT), which the master keeps: connections that wait in it
outlive a worker. A unix socket is one, and shared.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import ssl
import sys
import time
from typing import NoReturn, Optional

from . import worker
from .address import listen, url
from .say import flush, say
from .server import print_banner

__all__ = ["Master"]

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
# A worker that lived shorter than this is started again only after so long.
_YOUNG = 1.0


class _Worker:
    """A process of a slot."""

    def __init__(self, pid: int, slot: int) -> None:
        self.pid = pid
        self.slot = slot
        self.began = time.monotonic()
        self.ready = False
        self.told = False


class Master:
    """run() returns the exit code."""

    def __init__(self, options: argparse.Namespace, context: Optional[ssl.SSLContext]) -> None:
        self.options = options
        self.context = context
        self.listeners = self._listen()
        self.workers: dict[int, _Worker] = {}
        self.due: dict[int, float] = {}
        self.stopping = False
        self.booted = False
        self.code = 0
        self.kill_at: Optional[float] = None
        self.said, self.says = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Holds one byte: the worker that takes it says why it cannot serve, the others would say the same.
        self.word, self.give_word = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def _listen(self) -> list[socket.socket]:
        """A listener for each slot. OSError when the address cannot be had."""
        address, count = self.options.address, self.options.workers
        if isinstance(address, str):
            return [listen(address, self.options.backlog)] * count
        first = listen(address, self.options.backlog, reuse_port=False) if count == 1 else None
        if first is not None:
            return [first]
        # Somebody else's listeners with SO_REUSEPORT would share the port without a word: one without says whether it is free.
        probe = listen(address, 1)
        address = (address[0], probe.getsockname()[1])
        probe.close()
        return [listen(address, self.options.backlog, reuse_port=True) for _ in range(count)]

    def run(self) -> int:
        """Until all workers have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        self._start_all()
        while self.workers or not self.stopping:
            self._hear(signal.sigtimedwait(_HEARD, self._patience()))
            self._collect()
            self._look_at_the_clock()
        for listener in self.listeners:
            listener.close()
        if isinstance(self.options.address, str):
            with contextlib.suppress(OSError):
                os.unlink(self.options.address)
        return self.code

    def _patience(self) -> float:
        times = [*self.due.values(), *([self.kill_at] if self.kill_at is not None else [])]
        return max(0.0, min([time.monotonic() + 60, *times]) - time.monotonic())

    def _start_all(self) -> None:
        self._let_speak()
        for slot in range(self.options.workers):
            self._start(slot)

    def _let_speak(self) -> None:
        self._may_speak()
        os.write(self.give_word, b"x")

    def _may_speak(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.word, 1) != b""
        return False

    def _start(self, slot: int) -> None:
        self.due.pop(slot, None)
        flush()
        master = os.getpid()
        pid = os.fork()
        if pid:
            self.workers[pid] = _Worker(pid, slot)
            return
        self._be_a_worker(slot, master)

    def _be_a_worker(self, slot: int, master: int) -> NoReturn:
        code = 1
        try:
            for number in _HEARD:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)

            def ready() -> None:
                os.write(self.says, os.getpid().to_bytes(4, "little"))
                os.kill(master, signal.SIGUSR1)

            watches = self.options.reload and slot == 0  # one of them looks for changes
            code = worker.run(self.options, self.listeners[slot], self.context, ready, master, watches, self._may_speak)
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 0 if leave.code is None else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(BaseException):
                flush()
            os._exit(code)

    def _hear(self, heard: Optional[signal.struct_siginfo]) -> None:
        if heard is None:
            return
        if heard.si_signo in (signal.SIGTERM, signal.SIGINT):
            if self.stopping:
                self._kill()
            else:
                self._stop()
        elif heard.si_signo == signal.SIGHUP and not self.stopping:
            self._start_all()
        elif heard.si_signo == signal.SIGUSR1:
            with contextlib.suppress(BlockingIOError):
                while piece := os.read(self.said, 4):
                    self._ready(int.from_bytes(piece, "little"))

    def _ready(self, pid: int) -> None:
        """A worker serves: those of its slot before it may go."""
        new = self.workers.get(pid)
        if new is None:
            return
        new.ready = True
        for old in self.workers.values():
            if old.slot == new.slot and old.began < new.began:
                self._tell(old)
        if not self.booted and all(mate.ready for mate in self.workers.values()):
            self.booted = True
            if not self.options.no_banner:
                print_banner(url(self.listeners[0].getsockname(), self.context is not None), self.options.workers)

    def _tell(self, old: _Worker) -> None:
        if not old.told:
            old.told = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(old.pid, signal.SIGTERM)

    def _stop(self) -> None:
        self.stopping = True
        self.due.clear()
        # The workers' own patience ends first; this is for one that does not answer.
        self.kill_at = time.monotonic() + self.options.graceful_timeout + 2
        for mate in self.workers.values():
            self._tell(mate)

    def _kill(self) -> None:
        self.kill_at = None
        for pid in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _collect(self) -> None:
        """Workers that have ended."""
        while self.workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            gone = self.workers.pop(pid, None)
            if gone is not None:
                self._ended(gone, os.waitstatus_to_exitcode(status))

    def _ended(self, gone: _Worker, code: int) -> None:
        if self.stopping or gone.told:
            return
        if any(mate.slot == gone.slot for mate in self.workers.values()):
            return  # one that was to take its place; what serves goes on
        if not gone.ready and not self.booted:
            # Nothing was served yet, and the worker has said why.
            self.code = 1
            self._stop()
            return
        say(f"greenrt.wsgi: worker {gone.pid} ended ({_how(code)}); another is started")
        self._let_speak()
        age = time.monotonic() - gone.began
        if age < _YOUNG:
            self.due[gone.slot] = time.monotonic() + _YOUNG
        else:
            self._start(gone.slot)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for slot, when in tuple(self.due.items()):
            if when <= now:
                self._start(slot)
        if self.kill_at is not None and self.kill_at <= now:
            self._kill()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
