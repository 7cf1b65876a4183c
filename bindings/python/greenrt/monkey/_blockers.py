"""C extension modules that are known to block the OS thread by themselves, in code that no patch of ours reaches."""

from __future__ import annotations

import sys

# module -> what to do about it
KNOWN: dict[str, str] = {
    "MySQLdb": "libmysqlclient waits in C; use PyMySQL, or run queries on real threads",
    "_mysql_connector": "the C extension of mysql.connector waits in C; connect with use_pure=True",
    "confluent_kafka": "librdkafka waits in C; pass timeout=0 to poll, or use a pure Python client",
    "cx_Oracle": "Oracle's client library waits in C; use oracledb in thin mode",
    "fdb": "libfbclient waits in C",
    "grpc": "gRPC's core has threads and waits of its own; run calls on real threads",
    "ibm_db": "IBM's client library waits in C",
    "ldap": "libldap waits in C; use ldap3",
    "libvirt": "libvirt waits in C; run calls on real threads",
    "psycopg2": "libpq waits in C; set psycopg2.extensions.set_wait_callback, or use psycopg without its C part",
    "psycopg_c": "libpq waits in C; set PSYCOPG_IMPL=python",
    "pycurl": "libcurl waits in C; use CurlMulti with select",
    "pymssql": "FreeTDS waits in C",
    "pyodbc": "the ODBC driver waits in C",
    "rados": "librados waits in C",
    "snowflake.connector.nanoarrow_arrow_iterator": "the Arrow part waits in C",
    "uvloop": "libuv waits in C; run its loop on a thread of its own: greenrt.aio.Loop(uvloop.new_event_loop, thread=True)",
    "zmq": "libzmq waits in C; use zmq.green-like polling with select, or zmq.asyncio",
}


def loaded() -> dict[str, str]:
    """Those that this process has imported."""
    return {name: advice for name, advice in KNOWN.items() if sys.modules.get(name) is not None}
