# needs: trio
"""trio, unmodified: a loop in each of several tasks, each with threads of its own, which are tasks; and its signals in the main one."""

from greenrt import monkey

monkey.patch_all()

import os  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

import trio  # noqa: E402
from overlap import all_at_once  # noqa: E402


async def program(number: int) -> list[int]:
    """Sleepers in a nursery, threads beside them, and a word from a thread to the loop."""
    got: list[int] = []

    def in_thread(piece: int) -> int:
        time.sleep(0.01)
        trio.from_thread.run_sync(got.append, piece)
        return threading.get_ident()

    async def one(piece: int) -> None:
        await trio.sleep(0.01)
        assert await trio.to_thread.run_sync(in_thread, piece) != threading.get_ident()

    async with trio.open_nursery() as nursery:
        for piece in range(5):
            nursery.start_soon(one, number * 5 + piece)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, echo, listeners)
        async with await trio.open_tcp_stream("127.0.0.1", listeners[0].socket.getsockname()[1]) as stream:
            await stream.send_all(b"%d" % number)
            assert await stream.receive_some() == b"%d" % number
        nursery.cancel_scope.cancel()
    with trio.move_on_after(0.01) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    return sorted(got)


assert all_at_once(lambda number: trio.run(program, number), 8) == [list(range(n * 5, n * 5 + 5)) for n in range(8)]


async def interrupted() -> None:
    """SIGUSR1 by trio's receiver, and Ctrl-C while it sleeps."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        async for number in signals:
            assert number == signal.SIGUSR1
            break
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    await trio.sleep(600)


try:
    trio.run(interrupted)
except KeyboardInterrupt:
    print("pass")
