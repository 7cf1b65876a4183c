# needs: pymongo
# timeout: 120
"""pymongo, unmodified: its pool and its monitors are tasks, fifty slow commands overlap, and its timeouts and errors are its own."""

from greenrt import monkey

monkey.patch_all()

import pymongo  # noqa: E402
from overlap import all_at_once, os_threads  # noqa: E402
from servers import mongo  # noqa: E402

with mongo() as port:
    client: "pymongo.MongoClient[dict[str, object]]" = pymongo.MongoClient("127.0.0.1", port, maxPoolSize=60)
    readings = client.gateway.readings

    def store(n: int) -> object:
        client.admin.command("ping", seconds=0.3)
        readings.insert_many([{"_id": n * 10 + each, "device": n} for each in range(3)])
        return [one["_id"] for one in readings.find({"device": n})]

    assert all_at_once(store, 50) == [[n * 10, n * 10 + 1, n * 10 + 2] for n in range(50)]
    assert os_threads() <= 6, "neither its monitors nor its connections are OS threads"
    try:
        client.admin.command("nonsense")
        raise AssertionError("the server's error did not come")
    except pymongo.errors.OperationFailure as error:
        assert error.code == 59
    with pymongo.MongoClient("127.0.0.1", port, socketTimeoutMS=100, retryReads=False) as hasty:
        try:
            hasty.admin.command("ping", seconds=20)
            raise AssertionError("the timeout did not come")
        except pymongo.errors.NetworkTimeout:
            pass
    client.close()
with pymongo.MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=200) as nobody:
    try:
        nobody.admin.command("ping")
        raise AssertionError("nobody listens there")
    except pymongo.errors.ServerSelectionTimeoutError:
        pass
print("pass")
