"""asyncio.to_thread and run_in_executor: their threads are tasks, and wake the loop."""

import asyncio
import threading
import time

import greenrt
from greenrt import monkey

monkey.patch_all()


async def main():
    results = await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(work, n) for n in range(4))), 60)
    assert await asyncio.get_running_loop().run_in_executor(None, work, 9) == 81
    return results


def work(number):
    idents.add(threading.get_ident())
    assert threading.get_native_id() == native, "a task"
    time.sleep(0.02)
    return number * number


idents = set()
native = threading.get_native_id()
assert asyncio.run(main()) == [0, 1, 4, 9]
assert threading.get_ident() not in idents
loops = [greenrt.spawn(asyncio.run, main()) for _ in range(3)]
assert [loop.wait(60) for loop in loops] == [[0, 1, 4, 9]] * 3
print("pass")
