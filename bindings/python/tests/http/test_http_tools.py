"""The engine under the clients and the proxy that people use: curl, ab, wrk, nginx. Figures are not looked at, answers are."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, once
from libraries.servers import free_port

from greenrt._ffi import load

pytestmark = once
HERE = Path(__file__).resolve().parent
PATIENCE = 100


def need(program: str) -> str:
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        pytest.skip(f"no {program} here")
    return found


def run(*line: str, data: bytes | None = None) -> bytes:
    """What a program says; it has to succeed."""
    done = subprocess.run(line, input=data, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, (line, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server in C on the engine, and nothing else."""
    compiler, library = need("cc"), next(path for path in load.candidates() if path.exists()).resolve()
    program = tmp_path_factory.mktemp("http") / "server"
    include = f"-I{ROOT / 'include'}"
    run(
        compiler,
        "-O2",
        include,
        str(HERE / "http_server.c"),
        str(library),
        f"-Wl,-rpath,{library.parent}",
        "-o",
        str(program),
    )
    # The library's own name may have a number that the file in the build tree does not have.
    (program.parent / "libgreenrt.so.1").symlink_to(library)
    env = {**os.environ, "LD_LIBRARY_PATH": str(program.parent)}
    with subprocess.Popen([str(program)], stdout=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline().split()[1])
        assert server.poll() is None, "it has ended"
        server.terminate()


@pytest.fixture(scope="module")
def proxy(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx in front of it, with connections that stay."""
    nginx, folder = need("nginx"), tmp_path_factory.mktemp("nginx")
    front = free_port()
    paths = "\n".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not write into the folder
    (folder / "conf").write_text(
        f"""{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
        events {{ worker_connections 256; }}
        http {{ access_log off; {paths}
          upstream engine {{ server 127.0.0.1:{port}; keepalive 8; }}
          server {{ listen 127.0.0.1:{front}; client_max_body_size 50m;
            location / {{ proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
                          proxy_request_buffering off; proxy_buffering off; }}
            location /old/ {{ proxy_pass http://engine/; proxy_http_version 1.0; }} }} }}"""
    )
    with subprocess.Popen([nginx, "-e", f"{folder}/error.log", "-c", f"{folder}/conf"]) as process:
        until = time.monotonic() + PATIENCE
        while socket.socket().connect_ex(("127.0.0.1", front)):
            assert process.poll() is None and time.monotonic() < until, (folder / "error.log").read_text()
            time.sleep(0.01)
        yield front
        process.terminate()
    assert "upstream prematurely closed" not in (folder / "error.log").read_text()


def curl(url: str, *options: str, data: bytes | None = None) -> bytes:
    return run(need("curl"), "-sS", "--noproxy", "*", "--max-time", str(PATIENCE), *options, url, data=data)


def test_curl_keeps_its_connection(port: int) -> None:
    url = f"http://127.0.0.1:{port}/hello"
    out = curl(url, url, url, "-w", "%{num_connects} %{http_code} %{http_version}\n").decode()
    assert out == "hello\n1 200 1.1\nhello\n0 200 1.1\nhello\n0 200 1.1\n"
    assert curl(url, "-0", "-w", "%{http_code}").decode() == "hello\n200"
    assert b"content-length: 6\r\n" in curl(url, "-I").lower()


@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
def test_curl_sends_and_gets_bodies(port: int, size: int) -> None:
    url, body = f"http://127.0.0.1:{port}/echo", bytes(n % 251 for n in range(size))
    assert curl(url, "--data-binary", "@-", data=body) == body
    assert curl(url, "--data-binary", "@-", "-H", "Transfer-Encoding: chunked", data=body) == body
    # curl waits a second for 100 (Continue) unless it comes.
    before = time.monotonic()
    assert (
        curl(url, "--data-binary", "@-", "-H", "Expect: 100-continue", "--expect100-timeout", "80", data=body) == body
    )
    assert time.monotonic() - before < 60
    assert len(curl(f"http://127.0.0.1:{port}/size/{size}")) == size


def test_curl_is_told_that_a_body_is_too_large(port: int) -> None:
    url = f"http://127.0.0.1:{port}/echo"
    assert b"413" in curl(
        url, "-X", "POST", "-H", "Content-Length: 1000000000", "-o", "/dev/null", "-w", "%{http_code}"
    )


def test_curl_sees_pieces_when_they_come(port: int) -> None:
    assert curl(f"http://127.0.0.1:{port}/wait", "-N") == b"first\nsecond\n"


@pytest.mark.parametrize("options", [(), ("-k",)])
def test_ab(port: int, options: tuple[str, ...]) -> None:
    out = run(need("ab"), "-q", "-n", "2000", "-c", "20", *options, f"http://127.0.0.1:{port}/hello").decode()
    assert re.search(r"Complete requests: +2000\n", out) and re.search(r"Failed requests: +0\n", out), out
    assert "Non-2xx" not in out
    if options:
        assert re.search(r"Keep-Alive requests: +2000\n", out), out


def test_wrk(port: int) -> None:
    out = run(need("wrk"), "-t1", "-c50", "-d1s", "--timeout", "60s", f"http://127.0.0.1:{port}/hello").decode()
    assert "Requests/sec" in out and "Socket errors" not in out and "Non-2xx" not in out, out


@pytest.mark.parametrize("path", ["", "/old"])
@pytest.mark.parametrize("size", [0, 5000, 1_000_000])
def test_nginx_in_front(proxy: int, path: str, size: int) -> None:
    base, body = f"http://127.0.0.1:{proxy}{path}", bytes(n % 251 for n in range(size))
    assert curl(f"{base}/hello") == b"hello\n"
    assert curl(f"{base}/echo", "--data-binary", "@-", data=body) == body
    assert curl(f"{base}/echo", "--data-binary", "@-", "-H", "Transfer-Encoding: chunked", data=body) == body
    assert len(curl(f"{base}/size/{size}")) == size
    assert curl(f"{base}/none", "-w", "%{http_code}") == b"no\n404"


def test_load_through_nginx(proxy: int) -> None:
    out = run(need("ab"), "-q", "-n", "1000", "-c", "20", "-k", f"http://127.0.0.1:{proxy}/hello").decode()
    assert re.search(r"Complete requests: +1000\n", out) and re.search(r"Failed requests: +0\n", out), out
    assert "Non-2xx" not in out
