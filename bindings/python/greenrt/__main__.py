"""python -m greenrt prog.py args...      runs a program on green threads, unmodified
python -m greenrt -m module args...   the same for a module
python -m greenrt --eventlet ...      a program written for eventlet: `import eventlet` gives greenrt's drop-in

Everything that blocks is patched in place first; then the program runs as it would have: as `__main__`, with its own
sys.argv and sys.path[0]. With --eventlet nothing is patched: such a program calls eventlet.monkey_patch() itself. Processes that it starts
find the drop-in on their PYTHONPATH.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import runpy
import sys
import types
from typing import NoReturn

USAGE = (
    "usage: python -m greenrt [--eventlet] prog.py [args...]\n       python -m greenrt [--eventlet] -m module [args...]"
)


def fail(text: str) -> NoReturn:
    """Ends with a message, as the interpreter does."""
    sys.stderr.write(f"{text}\n")
    raise SystemExit(2)


def fresh_main() -> types.ModuleType:
    """A new, empty __main__ in the place of this one."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    return module


def safe_path() -> bool:
    """Was the interpreter told not to put the program's folder on sys.path?"""
    return bool(sys.flags.isolated or getattr(sys.flags, "safe_path", False))


def run_module(name: str) -> None:
    """What `python -m name` does."""
    fresh_main()
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]


def run_program(path: str) -> None:
    """What `python path` does."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz", ".pyc")):
        if not safe_path():
            del sys.path[0]
        runpy.run_path(path, run_name="__main__")
        return
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        fail(f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}")
    if not safe_path():
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = fresh_main()
    module.__file__ = path
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    module.__dict__["__cached__"] = None
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)


def main() -> None:
    """Reads the command line."""
    from greenrt import compat, monkey

    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return
    eventlet = arguments[:1] == ["--eventlet"]
    if eventlet:
        arguments = arguments[1:]
    module = arguments[:1] == ["-m"]
    if module:
        arguments = arguments[1:]
    if not arguments or (not module and arguments[0].startswith("-")):
        fail(USAGE)
    if eventlet:
        compat.install_as_eventlet()
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [compat.dropin_path(), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    else:
        monkey.patch_all()
    sys.argv[:] = arguments
    if module:
        run_module(arguments[0])
    else:
        run_program(arguments[0])


if __name__ == "__main__":
    main()
