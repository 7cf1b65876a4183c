# needs: pg8000
# programs: postgres initdb
# timeout: 120
"""pg8000 against PostgreSQL: fifty slow queries overlap on one OS thread, transactions keep apart, LISTEN hears NOTIFY."""

from greenrt import monkey

monkey.patch_all()

import threading  # noqa: E402

import pg8000.native  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import postgres  # noqa: E402

with postgres() as port:

    def connect() -> pg8000.native.Connection:
        return pg8000.native.Connection("test", host="127.0.0.1", port=port, database="postgres")

    def slow(n: int) -> int:
        with connect() as connection:
            return int(connection.run("select cast(:n as int) from pg_sleep(1)", n=n)[0][0])

    assert all_at_once(slow, 50) == list(range(50))

    root = connect()
    root.run("create table account (id int primary key, money int)")
    root.run("insert into account values (1, 0)")

    def deposit(_: int) -> None:
        with connect() as connection:
            connection.run("begin")
            money = connection.run("select money from account where id = 1 for update")[0][0]
            connection.run("select pg_sleep(0.01)")
            connection.run("update account set money = :money where id = 1", money=money + 1)
            connection.run("commit")

    threads = [threading.Thread(target=deposit, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert root.run("select money from account") == [[30]]
    try:
        root.run("select 1 / 0")
        raise AssertionError("the server's error did not come")
    except pg8000.exceptions.DatabaseError as error:
        assert "zero" in str(error)
    root.close()
print("pass")
