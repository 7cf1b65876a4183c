# needs: psycopg2
# programs: postgres initdb
# timeout: 120
"""psycopg2 against PostgreSQL: with a wait callback, as the report advises, fifty slow queries overlap on one OS thread."""

from greenrt import debug, monkey

monkey.patch_all()

import select  # noqa: E402

import psycopg2  # noqa: E402
import psycopg2.extensions  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import postgres  # noqa: E402

import greenrt  # noqa: E402


def wait(connection: object) -> None:
    while True:
        state = connection.poll()  # type: ignore[attr-defined]
        if state == psycopg2.extensions.POLL_OK:
            return
        ways = ([connection], [], []) if state == psycopg2.extensions.POLL_READ else ([], [connection], [])
        select.select(*ways)


with postgres() as port:

    def slow(n: int) -> int:
        connection = psycopg2.connect(host="127.0.0.1", port=port, user="test", dbname="postgres")
        try:
            cursor = connection.cursor()
            cursor.execute("select %s from pg_sleep(1)", (n,))
            return int(cursor.fetchone()[0])
        finally:
            connection.close()

    # As it is, it waits in C, and the report says what to do.
    assert "set_wait_callback" in debug.blockers()["psycopg2"]
    tasks = [greenrt.spawn(greenrt.offload, slow, n) for n in range(3)]
    assert [task.wait() for task in tasks] == [0, 1, 2]

    psycopg2.extensions.set_wait_callback(wait)
    assert "psycopg2" not in debug.blockers()
    assert all_at_once(slow, 50) == list(range(50))
print("pass")
