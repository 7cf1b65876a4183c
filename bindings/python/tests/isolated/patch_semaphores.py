# timeout: 180
"""multiprocessing and process pools from tasks: fork and spawn, queues, locks, conditions; a task that waits lets the others run."""

import concurrent.futures
import multiprocessing
import os
import queue
import sys
import threading
import time

import greenrt
from greenrt import monkey


def square(n):
    return n * n


def slow(n):
    time.sleep(0.02)
    return n, os.getpid()


def where(_):
    return os.getpid()


def explode(n):
    raise ValueError(n)


def echo(inbox, outbox):
    for item in iter(inbox.get, None):
        outbox.put(item * 2)


def count_up(counter, times):
    for _ in range(times):
        with counter.get_lock():
            counter.value += 1


def hold(lock, held, free):
    with lock:
        held.set()
        free.wait()


def over_pipe(end):
    end.send(end.recv()[::-1])
    end.close()


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{kind} expected")


def main():
    monkey.patch_all()
    ticks = [0]

    def ticker():
        while True:
            ticks[0] += 1
            time.sleep(0.001)

    ticking = greenrt.spawn(ticker)

    def meanwhile(call):
        before = ticks[0]
        result = call()
        assert ticks[0] > before, "the thread was blocked"
        return result

    # Locks within the process: between tasks, by the task that holds them
    for context in (multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")):
        lock, rlock = context.Lock(), context.RLock()
        for this in (lock, rlock):
            assert this.acquire()
            task = greenrt.spawn(lambda this=this: (this.acquire(), time.sleep(0.01), this.release()))
            assert greenrt.spawn(this.acquire, False).wait() is False
            assert greenrt.spawn(this.acquire, True, 0.01).wait() is False
            assert meanwhile(lambda: greenrt.spawn(this.acquire, timeout=0.02).wait()) is False
            doomed = greenrt.spawn(this.acquire)
            greenrt.sleep(0.002)
            doomed.kill()
            assert not task.done
            this.release()
            task.wait(60)
            with this:
                pass
        raises(ValueError, lock.release)
        assert rlock.acquire() and rlock.acquire(False)
        assert isinstance(greenrt.spawn(raises, AssertionError, rlock.release).wait(), AssertionError)
        rlock.release()
        assert greenrt.spawn(rlock.acquire, False).wait() is False
        rlock.release()

        def nested(rlock=rlock):
            with rlock, rlock:
                time.sleep(0.003)
                assert rlock._semlock._is_mine() and rlock._semlock._count() == 2
            return True

        nesting = [greenrt.spawn(nested) for _ in range(4)]
        greenrt.sleep(0.001)
        assert not rlock._semlock._is_mine()
        assert all(task.wait(60) for task in nesting)

    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)

        # A pool started in a task
        def pools(context=context):
            with context.Pool(2) as pool:
                assert pool.map(square, range(20)) == [n * n for n in range(20)]
                results = [pool.apply_async(slow, (n,)) for n in range(6)]
                got = meanwhile(lambda: [result.get(60) for result in results])
                assert [n for n, _ in got] == list(range(6)) and os.getpid() not in {pid for _, pid in got}
                assert sorted(pool.imap_unordered(square, range(5))) == [0, 1, 4, 9, 16]
                assert raises(ValueError, pool.apply, explode, (7,)).args == (7,)
            pool.join()
            return True

        tasks = [greenrt.spawn(pools) for _ in range(2)]
        assert all(task.wait(90) for task in tasks)
        # Queues, a value, an event, a pipe, a process
        inbox, outbox, counter = context.Queue(), context.Queue(), context.Value("i", 0)
        worker = context.Process(target=echo, args=(inbox, outbox))
        worker.start()
        for n in range(30):
            inbox.put(n)
        assert [outbox.get(timeout=60) for _ in range(30)] == [2 * n for n in range(30)]
        meanwhile(lambda: raises(queue.Empty, outbox.get, True, 0.03))
        inbox.put(None)
        worker.join(60)
        assert worker.exitcode == 0
        workers = [context.Process(target=count_up, args=(counter, 200)) for _ in range(2)]
        for worker in workers:
            worker.start()
        mine = [greenrt.spawn(count_up, counter, 100) for _ in range(3)]
        for task in mine:
            task.wait(60)
        for worker in workers:
            worker.join(60)
        assert counter.value == 2 * 200 + 3 * 100
        lock, held, free = context.Lock(), context.Event(), context.Event()
        worker = context.Process(target=hold, args=(lock, held, free))
        worker.start()
        assert held.wait(60)
        task = greenrt.spawn(lock.acquire)
        assert meanwhile(lambda: lock.acquire(timeout=0.02)) is False and not task.done
        free.set()
        assert task.wait(60) is True
        lock.release()
        worker.join(60)
        ours, theirs = context.Pipe()
        worker = context.Process(target=over_pipe, args=(theirs,))
        worker.start()
        theirs.close()
        task = greenrt.spawn(ours.recv)
        ours.send(b"x" * 100_000 + b"y")
        assert task.wait(60) == b"y" + b"x" * 100_000
        raises(EOFError, ours.recv)
        worker.join(60)
        # concurrent.futures, from several tasks at once
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            tasks = [greenrt.spawn(lambda n=n: executor.submit(slow, n).result(60)[0]) for n in range(6)]
            assert [task.wait(60) for task in tasks] == list(range(6))
            assert list(executor.map(square, range(10))) == [n * n for n in range(10)]
            assert raises(ValueError, executor.submit(explode, 3).result, 60).args == (3,)
            pids = set(executor.map(where, range(10)))
            assert os.getpid() not in pids
        raises(RuntimeError, executor.submit, square, 1)

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(lambda n=n: (time.sleep(0.02), n)[1]) for n in range(8)]
        done = meanwhile(lambda: [future.result() for future in concurrent.futures.as_completed(futures, 60)])
        assert sorted(done) == list(range(8))
        stuck = executor.submit(time.sleep, 0.05)
        raises(concurrent.futures.TimeoutError, stuck.result, 0.005)
    raises(RuntimeError, executor.submit, square, 1)
    assert threading.active_count() < 10
    ticking.kill()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    print("pass")
