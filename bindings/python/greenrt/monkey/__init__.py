"""Patching in place: the standard library's blocking C functions park the task instead of the OS thread.

    patch_all()             everything this interpreter has
    patch("socket")         one group, or one primitive with its family
    is_patched("time.sleep")
    original("time.sleep")  a callable on CPython's own C function
    unpatch()               CPython's own functions again
    print(report())         what is patched, what was refused and why, what will block anyway

The C functions are replaced, not names in modules: a `from time import sleep`, a lock or a socket made before are patched as
well, so it does not matter when `patch_all` is called. OS threads that run no tasks keep blocking as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenrt._core import hub
from greenrt._ffi import native
from greenrt.debug import blockers

from . import _grpc, _psycopg, _table, _trio

__all__ = ["Report", "is_patched", "original", "patch", "patch_all", "report", "unpatch"]

# Libraries that go past what is patched, in C, and what is patched when they are looked after as well.
_LIBRARIES = {_grpc: "_thread.start_new_thread", _trio: "_thread.start_new_thread", _psycopg: "select.poll.poll"}

# Why families were refused the last time they were asked for.
_refusals: dict[str, str] = {}
# Made once each: CPython keeps a definition for ever.
_originals: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True)
class Report:
    """What is patched. `str()` of it is meant for people."""

    patched: list[str] = field(default_factory=list)
    original: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    blocking: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"patched: {', '.join(self.patched) or 'nothing'}"]
        if self.original:
            lines.append(f"not patched: {', '.join(self.original)}")
        if self.absent:
            lines.append(f"not in this Python: {', '.join(self.absent)}")
        lines += [f"refused: {name}: {reason}" for name, reason in self.refused.items()]
        lines += [f"blocks by itself: {name}: {advice}" for name, advice in self.blocking.items()]
        return "\n".join(lines)


def patch_all() -> None:
    """Patches everything. RuntimeError, and nothing changed, when a check of this interpreter fails."""
    patch(*_table.GROUPS)


def patch(*names: str) -> None:
    """Patches groups or primitives; a primitive comes with its family. Doing it twice is harmless.

    ValueError for a name that is not known. RuntimeError when a check of this interpreter fails: then nothing is changed.
    """
    primitives = _table.expand(names)
    hub.install()
    try:
        native.patch_write(primitives)
    except RuntimeError as error:
        _refusals.update(dict.fromkeys(names, str(error)))
        raise
    for name in names:
        _refusals.pop(name, None)
    for library, primitive in _LIBRARIES.items():
        if primitive in primitives:
            library.mend()


def unpatch(*names: str) -> None:
    """Puts CPython's own functions back, everywhere or for these names.

    Identity (each task a thread of its own to Python) and signal handling stay, as tasks may exist. RuntimeError while tasks wait in locks
    or queues, or threads run as tasks: nobody would wake who waits for them; and while greenrt.preempt() is on.
    """
    if native.preempt_state()[0]:
        raise RuntimeError("greenrt.preempt() is on and needs what is patched: greenrt.preempt(None) first")
    primitives = _table.expand(names or tuple(_table.GROUPS))
    native.patch_restore(primitives)
    for library, primitive in _LIBRARIES.items():
        if primitive in primitives:
            library.undo()


def is_patched(name: str) -> bool:
    """Whether all that this group or primitive stands for, and this Python has, is patched. ValueError when it is not known."""
    states = [native.patch_state(primitive) for primitive in _table.primitives(name)]
    present = [state for state in states if state != "absent"]
    return bool(present) and all(state == "patched" for state in present)


def original(name: str) -> Callable[..., Any]:
    """A callable on CPython's own C function: of a function, that function; of a method, one that takes the object first.

    It blocks the OS thread, patched or not. ValueError for a name that is not a primitive of this Python.
    """
    if name not in _table.FAMILY:
        raise ValueError(f"greenrt keeps no original of {name!r}; it knows {', '.join(_table.FAMILY)}")
    if name not in _originals:
        _originals[name] = native.patch_original(name)
    return _originals[name]


def report() -> Report:
    """What is patched now."""
    found = Report(refused=dict(_refusals), blocking=blockers())
    for primitive in _table.FAMILY:
        state = native.patch_state(primitive)
        if state in ("patched", "original", "absent"):
            getattr(found, state).append(primitive)
        else:
            found.refused[primitive] = state
    return found
