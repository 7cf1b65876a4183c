# needs: redis
# programs: redis-server
"""redis-py against redis-server: blocking pops, pipelines, locks and publish/subscribe in tasks of one OS thread."""

from greenrt import monkey

monkey.patch_all()

import threading  # noqa: E402
import time  # noqa: E402

import redis  # noqa: E402
from overlap import all_at_once, os_threads  # noqa: E402
from servers import redis as redis_server  # noqa: E402

with redis_server() as port:
    client = redis.Redis(host="127.0.0.1", port=port)

    # Fifty blocking pops wait on one OS thread while another task feeds them.
    def feed() -> None:
        time.sleep(0.1)
        for n in range(50):
            client.rpush("jobs", n)

    feeder = threading.Thread(target=feed)
    feeder.start()
    got = all_at_once(lambda _: client.blpop("jobs", timeout=60), 50)
    feeder.join()
    assert sorted(int(item[1]) for item in got) == list(range(50)), got
    assert all_at_once(lambda _: client.blpop("nothing", timeout=1), 50) == [None] * 50

    # A counter behind a lock on the server.
    def count(n: int) -> None:
        with client.lock("lock", timeout=30, sleep=0.01):
            now = int(client.get("count") or 0)
            time.sleep(0.001)
            client.set("count", now + 1)

    threads = [threading.Thread(target=count, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(client.get("count") or 0) == 20
    with client.pipeline() as pipe:
        for n in range(1000):
            pipe.incrby("sum", n)
        assert pipe.execute()[-1] == sum(range(1000))

    # Publish and subscribe, with redis-py's own listening thread, which is a task.
    heard: "list[bytes]" = []
    listener = client.pubsub()
    listener.subscribe(news=lambda message: heard.append(message["data"]))
    assert listener.get_message(timeout=60)["type"] == "subscribe"
    thread = listener.run_in_thread(sleep_time=0.1)
    for n in range(100):
        client.publish("news", n)
    while len(heard) < 100:
        time.sleep(0.01)
    thread.stop()
    thread.join()
    assert heard == [str(n).encode() for n in range(100)]
    assert os_threads() <= 12
print("pass")
