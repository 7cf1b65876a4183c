# needs: MySQLdb
# programs: mariadbd mariadb-install-db
# timeout: 120
"""mysqlclient against MariaDB: it waits in C, so its calls are offloaded, as the report advises; they overlap and tasks run on."""

import time

from overlap import all_at_once

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
    assert all_at_once(lambda n: greenrt.offload(slow, n), 20, 32) == list(range(20))
    for n in range(20):  # one tick for each, if they held the thread
        if len(ticks) > count + 50:
            break
        greenrt.offload(slow, n)
    assert len(ticks) > count + 50, "the others run"
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

    assert all_at_once(query, 10, 32) == list(range(10))
print("pass")
