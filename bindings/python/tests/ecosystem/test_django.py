"""Django with its ORM under `python -m greenrt.wsgi`, on SQLite, and on PostgreSQL where that is installed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from conftest import once

from .support import HERE, need
from .wsgi_programs import Served, prepare, serving

need("django", "requests")
import requests  # noqa: E402

sys.path.insert(0, str(HERE.parent / "libraries"))
from servers import installed, postgres  # noqa: E402

pytestmark = once


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        prepare("django_program", folder)
        with serving("django_program:application", folder) as served:
            yield served
        return
    for program in ("postgres", "initdb"):
        if installed(program) is None:
            pytest.skip(f"{program} is not installed")
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed")
    with postgres() as port:
        # Its pure form waits in select(); the one in C waits by itself.
        extra = {"DJANGO_PORT": str(port), "PSYCOPG_IMPL": "python"}
        prepare("django_program", folder, **extra)
        with serving("django_program:application", folder, **extra) as served:
            yield served


def together(count: int, call: Any) -> list[Any]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_orm_with_many_clients(server: Served) -> None:
    assert requests.post(f"{server.url}/make", {"name": "one"}, timeout=60).status_code == 200
    statuses = together(15, lambda: requests.post(f"{server.url}/deposit/one", timeout=60).status_code)
    assert statuses == [200] * 15, server.said()
    assert requests.get(f"{server.url}/show/one", timeout=60).json() == {"money": 15, "entries": 15, "total": 15}
    assert requests.post(f"{server.url}/roll_back/one", timeout=60).status_code == 500
    assert requests.get(f"{server.url}/show/one", timeout=60).json()["money"] == 15
    assert requests.post(f"{server.url}/make", {"name": "one"}, timeout=60).status_code == 500
    assert "one\n" in requests.get(f"{server.url}/names", timeout=60).text


def test_sessions_and_uploads(server: Served) -> None:
    with requests.Session() as client:
        counts = [client.get(f"{server.url}/visits", timeout=60).json()["visits"] for _ in range(3)]
    assert counts == [1, 2, 3]
    found = requests.post(f"{server.url}/upload", files={"file": ("b.bin", bytes(3 << 20))}, timeout=60).json()
    assert found == {"name": "b.bin", "size": 3 << 20}


def test_requests_that_wait_overlap_on_one_os_thread(server: Served) -> None:
    answers = together(10, lambda: requests.get(f"{server.url}/slow", timeout=60).json())
    assert max(answer["peak"] for answer in answers) > 3, server.said()
