"""The examples that live by patching in place: run as their first lines say, and driven."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import ROOT, environment, run_python

EXAMPLES = ROOT / "examples" / "python"


def test_crawler_fetches_all_pages_at_once_on_one_thread() -> None:
    result = run_python(str(EXAMPLES / "crawler.py"))
    match = re.fullmatch(r"200 pages, [\d,]+ bytes, in ([\d.]+) s on 2 OS threads .*\n", result.stdout)
    assert result.returncode == 0 and match, result.stdout + result.stderr
    assert float(match.group(1)) < 19, "the pages did not overlap (20 s one after the other)"


@contextmanager
def serving(*how: str) -> Iterator[str]:
    """The base address of a running threaded_http.py."""
    command = [sys.executable, *how, str(EXAMPLES / "threaded_http.py")]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("port "), line
            yield f"http://127.0.0.1:{int(line.split()[1])}"
        finally:
            process.terminate()


@pytest.mark.parametrize(("how", "most"), [(("-m", "greenrt"), 2), ((), None)])
def test_threaded_http_serves_many_clients(how: tuple[str, ...], most: int | None) -> None:
    with serving(*how) as base:
        good = []

        def client(n: int) -> None:
            with urllib.request.urlopen(f"{base}/page/{n}", timeout=100) as page:
                assert page.read().decode() == f"you asked for /page/{n}\n"
            good.append(n)

        clients = [threading.Thread(target=client, args=(n,)) for n in range(40)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        assert sorted(good) == list(range(40))
        with urllib.request.urlopen(f"{base}/threads", timeout=100) as page:
            threads = int(page.read())
        assert most is None or threads <= most, f"{threads} OS threads"
