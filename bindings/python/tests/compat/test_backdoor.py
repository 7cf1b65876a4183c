"""eventlet.backdoor: a console on a socket."""

from __future__ import annotations

import contextlib
import io
import socket
import sys
from typing import Any

from compat.apart import apart


class Doors:
    """A server with a backdoor, and what it prints."""

    def __enter__(self) -> Doors:
        import eventlet
        from eventlet import backdoor

        self.printed, self.before = io.StringIO(), sys.stdout
        sys.stdout = self.printed
        self.listener = eventlet.listen(("127.0.0.1", 0))
        self.names: dict[str, Any] = {"answer": 41}
        self.thread = eventlet.spawn(backdoor.backdoor_server, self.listener, self.names)
        return self

    def __exit__(self, *_: object) -> None:
        import greenlet

        self.thread.kill()
        with contextlib.suppress(greenlet.GreenletExit):
            self.thread.wait()
        assert sys.stdout is self.printed, "the console left its own file behind"
        sys.stdout = self.before

    def say(self, *lines: str) -> str:
        """What a client that types this hears."""
        import eventlet

        with eventlet.connect(self.listener.getsockname()) as client:
            client.settimeout(10)
            client.sendall("".join(f"{line}\r\n" for line in lines).encode())
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read().decode()


@apart
def test_a_console() -> None:
    with Doors() as doors:
        heard = doors.say("answer + 1", "print('printed')", "for n in range(2):", "  print(n)", "", "1 / 0", "new = 5")
        assert ">>> 42" in heard and "printed" in heard and "... 0\n1\n" in heard.replace("\r", "")
        assert "ZeroDivisionError" in heard and "Python" in heard
        assert doors.names["new"] == 5
        assert "printed" not in doors.printed.getvalue()
        assert "backdoor server listening on 127.0.0.1:" in doors.printed.getvalue()


@apart
def test_consoles_are_apart_from_each_other_and_from_the_program() -> None:
    import eventlet

    with Doors() as doors:
        doors.names["sleep"] = eventlet.sleep
        one = eventlet.spawn(doors.say, "sleep(0.02); print('of one')")
        other = eventlet.spawn(doors.say, "sleep(0.01); print('of the other')")
        eventlet.sleep(0.005)
        print("of the program")
        assert "of one" in one.wait() and "of the other" not in one.wait()
        assert "of the other" in other.wait() and "of the program" not in other.wait()
        assert "of the program" in doors.printed.getvalue() and "of one" not in doors.printed.getvalue()


@apart
def test_who_quits_leaves_the_console_only() -> None:
    with Doors() as doors:
        doors.say("raise SystemExit", "never()")
        assert ">>> 2" in doors.say("1 + 1")


@apart
def test_one_console_for_a_connection_of_ones_own() -> None:
    import os
    import tempfile

    import eventlet
    from eventlet import backdoor

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = os.path.join(folder, "socket")
        with eventlet.listen(path, socket.AF_UNIX) as listener, eventlet.connect(path, socket.AF_UNIX) as client:
            backdoor.backdoor(listener.accept(), {"x": 7})
            client.sendall(b"x\n")
            client.shutdown(socket.SHUT_WR)
            assert b">>> 7" in client.makefile("rb").read()
