# needs: MySQLdb
# programs: mariadbd mariadb-install-db
# timeout: 120
"""mysqlclient against MariaDB: it waits in C, so its calls are offloaded, as the report advises; they overlap and tasks run on."""

import time

import greenrt
from greenrt import debug, monkey

monkey.patch_all()

import MySQLdb  # noqa: E402
from servers import mariadb  # noqa: E402

assert "offload" in debug.blockers()["MySQLdb"]
ticks = []


def tick() -> None:
    while True:
        ticks.append(time.monotonic())
        greenrt.sleep(0.005)


with mariadb() as port:

    def slow(n: int) -> int:
        connection = MySQLdb.connect(host="127.0.0.1", port=port, user="root")
        try:
            cursor = connection.cursor()
            cursor.execute("select %s + sleep(0.5)", (n,))
            return int(cursor.fetchone()[0])
        finally:
            connection.close()

    ticking = greenrt.spawn(tick)
    greenrt.sleep(0)
    count = len(ticks)
    assert slow(1) == 1
    assert len(ticks) <= count + 1, "by itself it holds the thread: is the advice still needed?"
    begun = time.monotonic()
    tasks = [greenrt.spawn(greenrt.offload, slow, n) for n in range(20)]
    assert [task.wait() for task in tasks] == list(range(20))
    assert time.monotonic() - begun < 5, "they do not overlap"
    assert len(ticks) > count + 20, "the others run"
    try:
        greenrt.offload(MySQLdb.connect, host="127.0.0.1", port=1)
        raise AssertionError("nobody listens there")
    except MySQLdb.OperationalError as error:
        assert error.args[0] in (2002, 2003)
    ticking.kill()

    # The drop-in for eventlet does it by itself.
    from greenrt import compat

    compat.install_as_eventlet()
    from eventlet.green import MySQLdb as green

    def query(n: int) -> int:
        connection = green.connect(host="127.0.0.1", port=port, user="root")
        cursor = connection.cursor()
        cursor.execute("select %s + sleep(0.5)", (n,))
        return int(cursor.fetchone()[0])

    begun = time.monotonic()
    tasks = [greenrt.spawn(query, n) for n in range(10)]
    assert [task.wait() for task in tasks] == list(range(10))
    assert time.monotonic() - begun < 4
print("pass")
