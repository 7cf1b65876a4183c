"""Thousands of clients that begin a request and do not end it, beside some that do."""

from __future__ import annotations

import json
import resource
import socket
import statistics
import time
from collections.abc import Iterator

import pytest
from conftest import once
from wsgi_client import PATIENCE, Client, Servers

pytestmark = once
CROWD = 5000


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 200:
        pytest.skip(f"the machine allows {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started = Servers(tmp_path_factory.mktemp("crowd"))
    yield started
    started.end()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def typical(client: Client) -> float:
    """How long a request takes."""
    times = []
    for _ in range(200):
        began = time.monotonic()
        assert client.get("/raw/hello").body == b"hello\n"
        times.append(time.monotonic() - began)
    return statistics.median(times)


def test_five_thousand_slow_clients_hold_nobody_up_and_are_let_go(servers: Servers) -> None:
    address = tuple(servers.addresses["crowd"])
    with servers.client("crowd") as client:
        alone = typical(client)
        crowd = []
        for number in range(CROWD):
            slow = socket.create_connection(address)
            slow.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n"[: number % 30])
            crowd.append(slow)
        beside = typical(client)
        assert beside < 10 * alone + 0.01, (alone, beside)
        found = json.loads(client.get("/statistics").body)["crowd"]
        assert found["accepted"] == CROWD + 1
    for number, slow in enumerate(crowd):
        slow.settimeout(PATIENCE)
        with slow:
            got = slow.recv(1000)
            assert got.startswith(b"HTTP/1.1 408 ") if number % 30 else got == b"", (number, got)
