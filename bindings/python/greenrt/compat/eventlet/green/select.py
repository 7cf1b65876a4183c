"""The `select` module, green."""

from __future__ import annotations

from typing import Any

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["select"]

fill(globals(), "select", "select")


def get_fileno(obj: Any) -> int:
    """The descriptor that an object stands for, or that it is. TypeError."""
    number = obj.fileno() if hasattr(obj, "fileno") else obj
    if not isinstance(number, int):
        raise TypeError(f"Expected int or long, got {type(number)}")
    return number
