"""Processes that share a listener: the one that comes too late for a connection goes on with what it has."""

from __future__ import annotations

import os

from compat.apart import apart


@apart
def test_a_green_listener_does_not_wait_in_the_kernel() -> None:
    import socket

    import eventlet

    with eventlet.listen(("127.0.0.1", 0)) as listener:
        served = eventlet.spawn(listener.accept)
        eventlet.sleep(0)
        assert listener.gettimeout() is None and not os.get_blocking(listener.fileno())
        # Another one is faster: what the kernel says then is not what the caller gets.
        with eventlet.connect(listener.getsockname()):
            number, _ = socket.socket._accept(listener)  # type: ignore[attr-defined]
            os.close(number)
        eventlet.sleep(0.002)
        assert not served.dead
        with eventlet.connect(listener.getsockname()) as client:
            connection, address = served.wait()
            with connection:
                assert address == client.getsockname()


@apart
def test_servers_share_theirs_too() -> None:
    import eventlet
    from eventlet import wsgi

    for serve in (
        lambda sock: eventlet.serve(sock, lambda connection, address: None),
        lambda sock: wsgi.server(sock, lambda environ, start_response: [], log_output=False),
    ):
        with eventlet.listen(("127.0.0.1", 0)) as listener:
            running = eventlet.spawn(serve, listener)
            eventlet.sleep(0.001)
            assert not os.get_blocking(listener.fileno())
            running.kill()
