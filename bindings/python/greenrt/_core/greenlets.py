"""The `greenlet` package in this process: each task gets greenlets of its own, whichever was imported first."""

from __future__ import annotations

from types import ModuleType

from greenrt._ffi import native

from .imports import when_imported

NAME = "greenlet._greenlet"


def _share(module: ModuleType) -> None:
    """Tells the library of the package's extension module. ImportError when its build is not known."""
    native.share_greenlet(module.getcurrent)


def watch() -> None:
    """Shares the package if it is imported, else as soon as it is."""
    when_imported(NAME, _share)
