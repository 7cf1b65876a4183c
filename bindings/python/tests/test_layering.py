"""The floors of the package: a module imports from floors below and from its own folder, never upward."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import PACKAGE

SOURCE = PACKAGE / "greenrt"
FLOORS = {
    "_ffi": 0,
    "_core": 1,
    **dict.fromkeys(("aio", "greenlet", "timeout", "debug", "signal", "queue", "sync", "result", "threadpool"), 2),
    "pool": 3,
    "monkey": 3,
    "server": 4,
    **dict.fromkeys(("__init__", "wsgi", "websocket"), 5),
    **dict.fromkeys(("compat", "workers"), 6),
    **dict.fromkeys(("__main__", "gunicorn"), 7),
}
FILES = sorted(SOURCE.rglob("*.py"))


def room(name: str) -> str:
    """greenrt._core.task -> _core, greenrt -> __init__"""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> set[str]:
    """Full names of what a file imports, `from . import x` resolved."""
    package = ["greenrt", *path.relative_to(SOURCE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            found.add(name)
            if name == "greenrt":
                found |= {f"greenrt.{alias.name}" for alias in node.names if (SOURCE / alias.name).is_dir()}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_go_down(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    own = parts[0]
    for name in imports(path):
        if name.split(".")[0] == "greenrt" and room(name) != own:
            if name == "greenrt" and own == "__main__":
                continue
            assert FLOORS[room(name)] < FLOORS[own], f"{path.name} imports {name}"
        if name.split(".")[0] == "ctypes":
            assert own == "_ffi", f"{path.name} imports ctypes"


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(SOURCE).with_suffix("").parts[0] for path in FILES}
    assert rooms <= set(FLOORS)


def test_the_walk_sees_something() -> None:
    assert "greenrt._ffi" in imports(SOURCE / "_core" / "hub.py")
    assert "ctypes" in imports(SOURCE / "_ffi" / "load.py")
