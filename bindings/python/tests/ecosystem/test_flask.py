"""Flask under `python -m greenrt.wsgi`, with requests as its client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import once

from .support import HERE, need
from .wsgi_programs import Served, serving

need("flask", "requests")
import requests  # noqa: E402

pytestmark = once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving("flask_program:app", tmp_path_factory.mktemp("flask")) as served:
        yield served


def test_forms_and_a_session(server: Served) -> None:
    with requests.Session() as client:
        assert client.post(f"{server.url}/form", {"name": "Zo\xeb"}, timeout=60).json() == {"name": "Zo\xeb"}
        found = client.get(f"{server.url}/who?a=1&a=2", timeout=60).json()
    assert found == {"name": "Zo\xeb", "args": {"a": "1"}, "scheme": "http", "ip": "127.0.0.1"}


def test_json_and_chunked_bodies(server: Served) -> None:
    assert requests.post(f"{server.url}/json", json=[1, {"a": None}], timeout=60).json() == {"got": [1, {"a": None}]}
    headers = {"Content-Type": "application/json"}
    pieces = iter([b'{"chun', b'ked": true}'])
    assert requests.post(f"{server.url}/json", data=pieces, headers=headers, timeout=60).json() == {
        "got": {"chunked": True}
    }


def test_an_upload_of_some_megabytes(server: Served) -> None:
    size = 3 << 20
    found = requests.post(f"{server.url}/upload", files={"file": ("a.bin", bytes(size))}, timeout=60).json()
    assert (found["name"], found["size"]) == ("a.bin", size)


def test_a_stream_comes_in_pieces(server: Served) -> None:
    with requests.get(f"{server.url}/stream", stream=True, timeout=60) as reply:
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert [line.decode() for line in reply.iter_lines()] == [f"piece {n} of /stream" for n in range(5)]


def test_files_ranges_and_head(server: Served) -> None:
    whole = (HERE / "flask_program.py").read_bytes()
    reply = requests.get(f"{server.url}/file", timeout=60)
    assert reply.content == whole
    part = requests.get(f"{server.url}/file", headers={"Range": "bytes=10-29"}, timeout=60)
    assert (part.status_code, part.content) == (206, whole[10:30])
    unchanged = requests.get(f"{server.url}/file", headers={"If-None-Match": reply.headers["ETag"]}, timeout=60)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = requests.head(f"{server.url}/file", timeout=60)
    assert int(head.headers["Content-Length"]) == len(whole)
    assert requests.get(f"{server.url}/memory", timeout=60).content == b"from memory"


def test_errors(server: Served) -> None:
    assert requests.get(f"{server.url}/gone", timeout=60).status_code == 410
    assert requests.get(f"{server.url}/absent", timeout=60).status_code == 404
    assert requests.delete(f"{server.url}/", timeout=60).status_code == 405
    assert requests.get(f"{server.url}/broken", timeout=60).status_code == 500
    assert "RuntimeError: broken on purpose" in server.said()


def test_requests_that_wait_overlap_on_one_os_thread(server: Served) -> None:
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(requests.get(f"{server.url}/slow", timeout=60).json()))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer["mine"] for answer in answers)
    assert len({answer["me"] for answer in answers}) > 1
    assert max(answer["peak"] for answer in answers) > 5
