"""eventlet's name for greenrt's drop-in: in this process, in child processes, by a distribution of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE, once

import greenrt
from greenrt import compat

greenrt.install_as_eventlet()

SEPARATE = PACKAGE.parent / "python-eventlet"


def test_modules_are_one_under_both_names() -> None:
    import eventlet
    import eventlet.hubs.hub
    import eventlet.pools

    import greenrt.compat.eventlet as ours
    import greenrt.compat.eventlet.hubs.hub as our_hub
    from greenrt.compat.eventlet import corolocal

    assert eventlet is ours and eventlet.hubs.hub is our_hub and eventlet.pools is ours.pools
    assert sys.modules["eventlet.pools"] is sys.modules["greenrt.compat.eventlet.pools"]
    import eventlet.corolocal

    assert eventlet.corolocal is corolocal
    assert greenrt.install_as_eventlet() is ours, "twice is harmless"
    with pytest.raises(ImportError):
        import eventlet.nosuch
    assert not hasattr(eventlet, "nosuch")


def test_the_names_of_the_front_door() -> None:
    import eventlet

    names = (
        "sleep spawn spawn_n spawn_after kill getcurrent GreenPool GreenPile Queue Event Semaphore CappedSemaphore BoundedSemaphore "
        "Timeout with_timeout is_timeout wrap_is_timeout import_patched monkey_patch __version__ EventletDeprecationWarning greenlet "
        "connect listen serve StopServe wrap_ssl TimeoutError exc_after call_after_global greenthread greenpool event queue semaphore timeout patcher hubs support corolocal"
    )
    assert [name for name in names.split() if not hasattr(eventlet, name)] == []
    assert set(names.split()) <= {*dir(eventlet), "corolocal"}
    assert eventlet.greenlet.GreenletExit and eventlet.greenlet.getcurrent is eventlet.getcurrent


def test_every_module_is_there() -> None:
    import importlib

    modules = (
        "asyncio backdoor convenience corolocal coros dagpool db_pool debug event green green.BaseHTTPServer green.Queue green.SocketServer "
        "green.builtin green.ftplib green.http.client green.httplib green.os green.profile green.select green.selectors green.socket "
        "green.ssl green.subprocess green.thread green.threading green.time green.urllib.request greenio greenpool greenthread hubs "
        "hubs.asyncio hubs.epolls hubs.hub hubs.kqueue hubs.poll hubs.pyevent hubs.selects hubs.timer lock patcher pools queue semaphore "
        "support support.greenlets timeout tpool websocket wsgi"
    )
    for name in modules.split():
        assert importlib.import_module(f"eventlet.{name}") is importlib.import_module(f"greenrt.compat.eventlet.{name}")


def test_the_version_is_one_that_checks_accept_and_says_whose_it_is() -> None:
    import eventlet

    assert "greenrt" in eventlet.__version__
    assert [int(part) for part in eventlet.__version__.split(".")[:3]] >= [0, 40, 3]
    packaging = pytest.importorskip("packaging.version")
    assert packaging.parse(eventlet.__version__) >= packaging.parse("0.40.3")


def test_deprecated_names_warn_and_work() -> None:
    import eventlet

    with pytest.warns(DeprecationWarning, match="Timeout"):
        made = eventlet.TimeoutError(5)
    assert isinstance(made, eventlet.Timeout)
    made.cancel()
    with pytest.warns(DeprecationWarning):
        timer = eventlet.exc_after(30, ValueError())
    timer.cancel()


def test_after_another_eventlet_it_says_what_to_do(python: Any, tmp_path: Path) -> None:
    (tmp_path / "eventlet.py").write_text("")
    prog = "import sys; sys.path.insert(0, sys.argv[1]); import eventlet, greenrt; greenrt.install_as_eventlet()"
    result = python("-c", prog, str(tmp_path))
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"RuntimeError: another eventlet was imported before, from {tmp_path / 'eventlet.py'}: call")
    assert "first of all" in last


def test_the_command_line_installs_it_for_a_program_and_its_children(python: Any, tmp_path: Path) -> None:
    path = tmp_path / "prog.py"
    path.write_text(
        "import eventlet, subprocess, sys\nfrom eventlet import patcher\nimport greenrt.monkey\n"
        "assert not greenrt.monkey.is_patched('time') and not patcher.is_monkey_patched('time')\n"
        "eventlet.monkey_patch()\nimport time\nassert greenrt.monkey.is_patched('time')\n"
        "child = 'import eventlet.queue; print(eventlet.__version__)'\n"
        "print(sys.argv[1:], subprocess.check_output([sys.executable, '-c', child], text=True).strip())\n"
    )
    import eventlet

    for arguments in (["--eventlet", str(path), "x"], ["--eventlet", "-m", "prog", "x"]):
        result = python("-W", "error", "-m", "greenrt", *arguments, PYTHONPATH=f"{tmp_path}:{PACKAGE}")
        assert (result.stdout, result.stderr) == (f"['x'] {eventlet.__version__}\n", "")
    assert python("-m", "greenrt", "--eventlet").returncode == 2


def test_a_folder_on_the_path_is_eventlet(python: Any) -> None:
    prog = (
        "import eventlet, sys, eventlet.queue as q, greenrt.compat.eventlet as ours\n"
        "assert eventlet is ours and q is ours.queue and sys.modules['eventlet'] is ours\n"
        "print(eventlet.spawn(lambda: 5).wait())"
    )
    result = python("-W", "error", "-c", prog, PYTHONPATH=f"{compat.dropin_path()}:{PACKAGE}")
    assert (result.stdout, result.stderr) == ("5\n", "")
    assert os.listdir(os.path.join(compat.dropin_path(), "eventlet"))


def test_the_patcher_as_a_program(python: Any, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(
        "import eventlet.patcher as p, sys\nprint(p.is_monkey_patched('time'), sys.argv[1:])"
    )
    path = f"{compat.dropin_path()}:{PACKAGE}"
    result = python("-m", "eventlet.patcher", str(tmp_path / "prog.py"), "a", PYTHONPATH=path)
    assert result.stdout == "True ['a']\n"


def test_greenlet_is_found_where_the_package_is_not_installed(python: Any) -> None:
    prog = (
        "import sys, importlib.machinery as m\n"
        "find = m.PathFinder.find_spec\n"
        "m.PathFinder.find_spec = classmethod(lambda cls, name, *a: None if name == 'greenlet' else find(name, *a))\n"
        "import greenrt; greenrt.install_as_eventlet()\n"
        "import eventlet, greenlet\n"
        "assert isinstance(eventlet.getcurrent(), greenlet.greenlet)\n"
        "assert eventlet.greenlet.GreenletExit is greenlet.GreenletExit\n"
        "print(greenlet.__name__)"
    )
    assert python("-c", prog).stdout == "greenrt.greenlet\n"


@once
def test_the_distribution_of_the_name(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GREENRT_", "PYTHON"))}

    def run(*command: str, **extra: str) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env={**clean, **extra}, capture_output=True, text=True, check=False, timeout=300
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    assert (SEPARATE / "eventlet" / "__init__.py").read_text() == Path(
        compat.dropin_path(), "eventlet", "__init__.py"
    ).read_text(), "one and the same file"
    library = os.environ.get("GREENRT_LIBRARY")
    if library is None:
        pytest.skip("GREENRT_LIBRARY names no library to put into greenrt's wheel")
    run(sys.executable, "-m", "venv", "clean")
    python = str(tmp_path / "clean" / "bin" / "python")
    pip = (python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check")
    run(*pip, str(PACKAGE), GREENRT_LIBRARY=library)
    run(*pip, str(SEPARATE))
    assert run(
        python, "-W", "error", "-c", "import eventlet; print(eventlet.spawn(lambda: 7).wait(), eventlet.__name__)"
    ) == ("7 greenrt.compat.eventlet\n")
    shown = run(python, "-m", "pip", "show", "-f", "--disable-pip-version-check", "greenrt-eventlet")
    assert "Requires: greenrt\n" in shown and "eventlet/__init__.py" in shown
    path = run(python, "-c", "import greenrt.compat as c; print(c.dropin_path())").strip()
    assert str(tmp_path) in path
    run(python, "-m", "pip", "uninstall", "-q", "-y", "--disable-pip-version-check", "greenrt-eventlet")
    assert (
        run(python, "-c", "import eventlet; print(eventlet.__name__)", PYTHONPATH=path) == "greenrt.compat.eventlet\n"
    )
