"""Imports in several tasks: modules that sleep while they load, import each other in circles, and are waited for."""

import importlib
import sys
import tempfile
from pathlib import Path

import greenrt
from greenrt import monkey

monkey.patch_all()
with tempfile.TemporaryDirectory() as folder:
    sys.path.insert(0, folder)
    home = Path(folder)
    for n in range(4):
        other = (n + 1) % 4
        home.joinpath(f"circle{n}.py").write_text(
            f"import time\ntime.sleep(0.02)\nimport circle{other}\ntime.sleep(0.01)\n"
            f"name = 'circle{n}'\ncount = globals().get('count', 0) + 1\n"
        )
    home.joinpath("slow.py").write_text("import sys, time\nsys.loads += 1\ntime.sleep(0.1)\nready = True\n")
    home.joinpath("broken.py").write_text("import time\ntime.sleep(0.02)\n1 / 0\n")

    def load(name):
        return importlib.import_module(name)

    sys.loads = 0
    slow = [greenrt.spawn(load, "slow") for _ in range(20)]
    assert all(task.wait(60).ready for task in slow), "somebody saw a module that was not ready"
    assert sys.loads == 1, "one loads it, the others wait for that"
    circles = [greenrt.spawn(load, f"circle{n}") for n in range(4)]
    modules = [task.wait(60) for task in circles]
    assert [module.name for module in modules] == [f"circle{n}" for n in range(4)]
    assert [module.count for module in modules] == [1] * 4
    broken = [greenrt.spawn(load, "broken") for _ in range(3)]
    sys.stderr = None
    for task in broken:
        try:
            task.wait(60)
            raise AssertionError
        except ZeroDivisionError:
            pass
    sys.stderr = sys.__stderr__
    # Everything of the library that was not loaded yet, in ten tasks at once.
    names = [
        "xml.dom.minidom",
        "email.mime.text",
        "sqlite3",
        "ctypes.util",
        "unittest.mock",
        "http.cookiejar",
        "csv",
        "decimal",
    ]
    tasks = [greenrt.spawn(load, name) for name in names * 3]
    assert [task.wait(60).__name__ for task in tasks] == names * 3
assert monkey.native.patch_waiting() == 0
print("pass")
