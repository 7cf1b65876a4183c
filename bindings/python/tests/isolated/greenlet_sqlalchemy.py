# needs: greenlet sqlalchemy aiosqlite
# timeout: 120
"""SQLAlchemy's asyncio bridge, which stands on the real greenlet, in several tasks at once, and on the loop they share."""

import asyncio

from sqlalchemy import Column, Integer, MetaData, Table, func, select
from sqlalchemy.ext.asyncio import create_async_engine

from greenrt import aio, monkey, sleep, spawn

monkey.patch_all()
table = Table("numbers", MetaData(), Column("id", Integer, primary_key=True), Column("value", Integer))
rows = 20
overlap, most = [0], [0]


async def one(name):
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
    overlap[0] += 1
    most[0] = max(most[0], overlap[0])
    for number in range(rows):
        async with engine.begin() as connection:
            await connection.execute(table.insert().values(value=name * 1000 + number))

            def inside(sync):
                sleep(0)  # parks in a greenlet of SQLAlchemy's
                found = sync.execute(select(func.count()).select_from(table)).scalar()
                sleep(0)
                return found

            assert await connection.run_sync(inside) == number + 1
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.sum(table.c.value)))).scalar()
    overlap[0] -= 1
    await engine.dispose()
    return total


expected = [sum(name * 1000 + number for number in range(rows)) for name in range(6)]
tasks = [spawn(asyncio.run, one(name)) for name in range(6)]
assert [task.wait() for task in tasks] == expected
assert most[0] > 1, "they overlap"
tasks = [spawn(aio.run, one(name)) for name in range(6)]
assert [task.wait() for task in tasks] == expected
assert asyncio.run(one(0)) == expected[0]
print("pass")
