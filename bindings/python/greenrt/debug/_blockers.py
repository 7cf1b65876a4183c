"""C extension modules that are known to block the OS thread by themselves, in code that no patch of ours reaches."""

from __future__ import annotations

import sys

# module -> what to do about it
KNOWN: dict[str, str] = {
    "MySQLdb": "libmysqlclient waits in C: use PyMySQL, or greenrt.offload() the queries",
    "_mysql_connector": "the C extension of mysql.connector waits in C: connect with use_pure=True",
    "aerospike": "Aerospike's C client waits in C: greenrt.offload() the calls",
    "confluent_kafka": "librdkafka waits in C: call poll(0) with greenrt.sleep() between, or use a pure Python client",
    "couchbase": "libcouchbase waits in C: greenrt.offload() the calls",
    "cx_Oracle": "Oracle's client library waits in C: use oracledb in thin mode",
    "duckdb": "queries compute in C, some on threads of its own: greenrt.offload() the long ones",
    "fdb": "libfbclient waits in C: greenrt.offload() the calls",
    "grpc": "gRPC's core has threads and waits of its own: greenrt.monkey.patch('thread') makes them green; else greenrt.offload() the calls",
    "ibm_db": "IBM's client library waits in C: greenrt.offload() the calls",
    "ldap": "libldap waits in C: use ldap3",
    "libvirt": "libvirt waits in C: greenrt.offload() the calls",
    "oracledb.thick_impl": "Oracle's client library waits in C: do not call init_oracle_client(), then oracledb is in thin mode",
    "psycopg2": "libpq waits in C: psycopg2.extensions.set_wait_callback() with a function that polls by select.select()",
    "psycopg_c": "libpq waits in C: greenrt.monkey.patch('select') has psycopg wait in Python; so does PSYCOPG_IMPL=python",
    "psycopg_binary": "libpq waits in C: greenrt.monkey.patch('select') has psycopg wait in Python; so does PSYCOPG_IMPL=python",
    "pycurl": "libcurl waits in C: CurlMulti with select.select(), or greenrt.offload()",
    "pymssql": "FreeTDS waits in C: greenrt.offload() the calls",
    "pyodbc": "the ODBC driver waits in C: greenrt.offload() the calls",
    "rados": "librados waits in C: greenrt.offload() the calls",
    "snowflake.connector.nanoarrow_arrow_iterator": "the Arrow part computes in C: greenrt.offload() what fetches much",
    "sqlite3": "a query reads the disk and waits for locks in C: greenrt.offload() the long ones, with check_same_thread=False",
    "uwsgi": "uWSGI owns the event loop of its workers: serve with something that does not",
    "uvloop": "libuv waits in C: run its loop on a thread of its own, greenrt.aio.Loop(uvloop.new_event_loop, thread=True)",
    "zmq": "libzmq waits in C: wait for the socket's FD with select.select(), then recv with NOBLOCK; or zmq.asyncio",
}


def _made_green(name: str) -> bool:
    """Has the program already done what the advice says?"""
    if name == "psycopg2":
        get = getattr(sys.modules.get("psycopg2.extensions"), "get_wait_callback", None)
        return get is not None and get() is not None
    if name in ("psycopg_c", "psycopg_binary"):
        wait = getattr(sys.modules.get("psycopg.waiting"), "wait", None)
        return wait is not None and getattr(wait, "__name__", None) != "wait_c"
    if name == "grpc":
        poll = getattr(getattr(sys.modules.get("grpc._cython.cygrpc"), "CompletionQueue", None), "poll", None)
        return getattr(poll, "__module__", None) == "greenrt.monkey._grpc"
    return False


def blockers() -> dict[str, str]:
    """Those that this process has imported, each with what to do about it. Known names only: watch() finds the others."""
    return {
        name: advice for name, advice in KNOWN.items() if sys.modules.get(name) is not None and not _made_green(name)
    }
