"""Finds the library, checks that it is ours and of the right ABI, and declares its functions.

Looked for, in this order: the file that GREENRT_LIBRARY names (then nowhere else), `_lib/` beside the package (where
`pip install` puts it), `target/` of the source tree that the package lies in.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from . import _bindings

NAME = "libgreenrt.dylib" if sys.platform == "darwin" else "libgreenrt.so"


def candidates() -> list[Path]:
    """Where the library may be, best first."""
    named = os.environ.get("GREENRT_LIBRARY")
    if named:
        return [Path(named)]
    package = Path(__file__).resolve().parent.parent
    places = [package / "_lib" / NAME]
    tree = package.parent.parent.parent
    if (tree / "Cargo.toml").is_file() and (tree / "include" / "greenrt.h").is_file():
        target = Path(os.environ.get("CARGO_TARGET_DIR") or tree / "target")
        places += [target / "release" / NAME, target / "debug" / NAME]
    return places


def open_library(path: Path) -> ctypes.PyDLL:
    """Loads one file. PyDLL: the calls keep the GIL, which the host hooks pass on by themselves."""
    try:
        library = ctypes.PyDLL(str(path))
    except OSError as error:
        raise ImportError(f"greenrt cannot load its library {path}: {error}") from None
    try:
        abi_version = library.gt_abi_version
    except AttributeError:
        raise ImportError(f"{path} is not a greenrt library: it has no gt_abi_version") from None
    abi_version.restype = ctypes.c_uint32
    abi_version.argtypes = []
    found = abi_version()
    if found != _bindings.GT_ABI_VERSION:
        raise ImportError(
            f"{path} has ABI version {found}, this greenrt package needs {_bindings.GT_ABI_VERSION}: "
            "install both from the same release"
        )
    return library


def declare(library: ctypes.PyDLL) -> None:
    """Gives every function its generated signature."""
    for name, (result, parameters) in _bindings.SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(
                f"this greenrt library lacks {name}: install library and package from the same release"
            ) from None
        function.restype = result
        function.argtypes = parameters


def configure(library: ctypes.PyDLL) -> None:
    """Deadlocks are reported, not raised; and only when `greenrt.debug` was asked to."""
    config = _bindings.gt_config_t(size=ctypes.sizeof(_bindings.gt_config_t), deadlock=_bindings.GT_DEADLOCK_REPORT)
    library.gt_config(ctypes.byref(config))  # -EBUSY: C code of this process was first and has configured it


def load() -> ctypes.PyDLL:
    """The library, or ImportError with the places that were tried."""
    places = candidates()
    for path in places:
        if path.is_file():
            library = open_library(path)
            declare(library)
            configure(library)
            return library
    tried = ", ".join(map(str, places))
    raise ImportError(f"greenrt cannot find its library; looked at {tried}. GREENRT_LIBRARY can name the file.")


library = load()


def builtins() -> dict[str, Any]:
    """The functions that the library makes for this interpreter; ImportError when it is not a supported one."""
    make = library.gt_python_builtins
    make.restype = ctypes.py_object
    make.argtypes = []
    found: dict[str, Any] = make()
    return found
