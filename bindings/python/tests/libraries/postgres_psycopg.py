# needs: psycopg psycopg_binary
# programs: postgres initdb
# timeout: 120
"""psycopg with its C part against PostgreSQL, as it is: fifty slow queries overlap on one OS thread; on others it waits in C."""

import sys

from greenrt import debug, monkey

if "late" in sys.argv:
    import psycopg
monkey.patch_all()

import subprocess  # noqa: E402
import threading  # noqa: E402

import psycopg  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import postgres  # noqa: E402

import greenrt  # noqa: E402

assert psycopg.pq.__impl__ == "binary"
assert "psycopg_binary" not in debug.blockers()

with postgres() as port:

    def connect() -> psycopg.Connection:
        return psycopg.connect(f"host=127.0.0.1 port={port} user=test dbname=postgres")

    def slow(n: int) -> int:
        with connect() as connection:
            return int(connection.execute("select %s::int from pg_sleep(1)", (n,)).fetchone()[0])

    assert all_at_once(slow, 50) == list(range(50))

    # A task that is out of time leaves its query, and the others alone.
    with connect() as connection, connect() as other:
        try:
            with greenrt.Timeout(0.2):
                connection.execute("select pg_sleep(20)")
            raise AssertionError("that took twenty seconds")
        except greenrt.Timeout:
            pass
        assert other.execute("select 1").fetchone() == (1,)
        connection.close()

    with connect() as connection:
        connection.execute("create table letter (x text)")
        with connection.cursor() as cursor, cursor.copy("copy letter from stdin") as copy:
            for x in "abc":
                copy.write_row((x,))
        assert connection.execute("select count(*) from letter").fetchone() == (3,)
        connection.execute("listen news")
        connection.commit()
        heard = threading.Thread(target=lambda: connection.execute("notify news, 'hello'"))
        heard.start()
        heard.join()
        connection.commit()
        assert [note.payload for note in connection.notifies(timeout=60, stop_after=1)] == ["hello"]

    assert greenrt.offload(slow, 7) == 7
if "late" not in sys.argv:
    subprocess.run([sys.executable, __file__, "late"], check=True, timeout=200)
print("pass")
