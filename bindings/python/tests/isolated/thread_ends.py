# timeout: 120
"""An OS thread that ends ends its tasks, and gives back what they held."""

import threading

import greenrt
from greenrt import current, sleep, spawn

ended = []
tasks = []
root = []


def address_space():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmSize"))


def parked(number):
    try:
        sleep(1000)
    finally:
        sleep_raises = False
        try:
            sleep(0)
        except greenrt.TaskExit:
            sleep_raises = True
        ended.append((number, sleep_raises))


def thread(number):
    root.append(current())
    spawn(lambda: 5).wait()
    tasks.extend(spawn(parked, number) for _ in range(3))
    never = spawn(parked, -1)
    sleep(0.001)
    tasks.append(never)


def run(number):
    os_thread = threading.Thread(target=thread, args=(number,))
    os_thread.start()
    os_thread.join()


run(0)
assert ended == [(0, True)] * 3 + [(-1, True)], ended
for task in tasks:
    assert task.done
    try:
        task.wait()
    except greenrt.TaskExit:
        pass
    else:
        raise AssertionError(task)
assert root[0].done

before = address_space()
for number in range(1, 200):
    run(number)
assert len(ended) == 800
grown = address_space() - before
assert grown < 2_000_000, f"200 threads with 5 tasks of 8 MiB each left {grown} kB behind"


# An OS thread whose tasks catch everything does not hang for ever, nor does it crash the process.
def stubborn():
    while True:
        try:
            sleep(1000)
        except greenrt.TaskExit:
            if stop:
                raise


stop = True
os_thread = threading.Thread(target=lambda: (spawn(stubborn), sleep(0.001)))
os_thread.start()
os_thread.join()
assert spawn(lambda: 7).wait() == 7
print("pass")
