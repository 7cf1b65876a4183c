# timeout: 120
"""Several OS threads, each with tasks of its own: outcomes, waits and kills cross from one to the other."""

import threading
import time

import greenrt
from greenrt import current, sleep, spawn

results = {}
shared = {}
ready = threading.Event()
finish = threading.Event()


def worker(number):
    def one(n):
        sleep(0.001)
        assert threading.get_ident() != os_ident
        return n

    os_ident = threading.get_ident()
    tasks = [spawn(one, n) for n in range(100)]
    results[number] = sum(task.wait() for task in tasks)
    assert current().name == "root"


threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert results == {number: sum(range(100)) for number in range(4)}


def home():
    """An OS thread whose tasks others look at."""

    def slow():
        sleep(0.1)
        return "slow"

    def sleeper():
        try:
            sleep(30)
        except ValueError as error:
            return f"killed by {error}"
        return "not killed"

    shared["slow"] = spawn(slow)
    shared["sleeper"] = spawn(sleeper)
    ready.set()
    while not finish.is_set():
        sleep(0.005)


thread = threading.Thread(target=home)
thread.start()
ready.wait()
assert shared["slow"].wait() == "slow"
try:
    shared["sleeper"].wait(0.05)
except TimeoutError:
    pass
else:
    raise AssertionError("it sleeps")
shared["sleeper"].kill(ValueError("far away"))
assert shared["sleeper"].wait() == "killed by far away"

# A task of this thread waits for nothing while a real thread computes.
start = time.monotonic()
assert spawn(lambda: sleep(0.01) or 5).wait() == 5
assert time.monotonic() - start < 60
finish.set()
thread.join()

# A thread that ends with parked tasks takes nobody down.


def leaves_tasks():
    for _ in range(10):
        spawn(sleep, 1000)
    sleep(0.01)


for _ in range(3):
    thread = threading.Thread(target=leaves_tasks)
    thread.start()
    thread.join()
sleep(0.01)
assert greenrt.spawn(lambda: 7).wait() == 7
print("pass")
