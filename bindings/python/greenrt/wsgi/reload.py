"""Looks for changed files of the program."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig

from greenrt._core.task import sleep

from .say import say
from .server import Server

__all__ = ["changed", "files", "snapshot", "watch"]

INTERVAL = 0.4


def files() -> set[str]:
    """The files of all modules but those of the interpreter and of installed packages, and their Python neighbours."""
    installed = tuple(
        os.path.join(os.path.realpath(path), "")
        for name, path in sysconfig.get_paths().items()
        if name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    found = set()
    folders = set()
    for module in tuple(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str):
            continue
        path = os.path.realpath(path)
        if not path.startswith(installed):
            found.add(path)
            folders.add(os.path.dirname(path))
    for folder in folders:
        try:
            found.update(entry.path for entry in os.scandir(folder) if entry.name.endswith(".py"))
        except OSError:
            continue
    return found


def snapshot() -> dict[str, int]:
    """When each of the files was changed."""
    times = {}
    for path in files():
        try:
            times[path] = os.stat(path).st_mtime_ns
        except OSError:
            continue
    return times


def changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Files that are new, other or gone."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def watch(master: int, server: Server) -> None:
    """Tells the master when something has changed; it starts the workers anew. A worker that ends leaves that to the next one."""
    known = snapshot()
    while True:
        sleep(INTERVAL)
        if server.stopping:
            return
        now = snapshot()
        different = changed(known, now)
        known = now
        if different:
            say(f"greenrt.wsgi: {os.path.relpath(different[0])} changed")
            os.kill(master, signal.SIGHUP)
