"""When a check fails, the patch refuses with the reason and nothing is changed."""

import _thread
import ctypes
import time

from greenrt import monkey
from greenrt._ffi import native

NAMES = ("time", "thread", "select", "socket", "os")


def nothing_patched():
    return not any(monkey.is_patched(name) for name in NAMES)


# A function that somebody replaced by a Python one has no definition.
real = time.sleep
time.sleep = lambda seconds: real(seconds)
try:
    monkey.patch_all()
    raise AssertionError
except RuntimeError as error:
    assert "time.sleep" in str(error) and "nothing was changed" in str(error), error
assert nothing_patched()
report = monkey.report()
assert "time.sleep" in report.refused["time"] and report.refused["time.sleep"]
assert "refused: time" in str(report)
time.sleep = real

# Names that nobody knows
for call in (monkey.patch, monkey.unpatch, monkey.is_patched, monkey.original):
    try:
        call("time.slep")
        raise AssertionError
    except ValueError as error:
        assert "'time.slep'" in str(error) and "time.sleep" in str(error)
for name in ("sockets", "", "time.", "_thread.get_ident"):
    try:
        monkey.patch("time", name)
        raise AssertionError
    except ValueError:
        pass
assert nothing_patched(), "a known name beside an unknown one was patched"
try:
    monkey.patch(5)
    raise AssertionError
except ValueError:
    pass

# A calling convention that no version has, and a definition under another name: found before anything is written.
address = native.patch_definition((_thread.get_ident, "get_ident"))


class Definition(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("meth", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


definition = Definition.from_address(native.patch_definition((time.sleep, "sleep")))
assert definition.name == b"sleep" and definition.flags == 0x8
definition.flags = 0x7000
try:
    monkey.patch("socket", "time")
    raise AssertionError
except RuntimeError as error:
    assert "calling convention" in str(error) and "0x7000" in str(error), error
definition.flags = 0x8
assert nothing_patched()
for thing, name in (
    (time.sleep, "slumber"),
    (nothing_patched, "nothing_patched"),
    (5, "x"),
    ("text", "upper"),
    (time, "time"),
):
    try:
        native.patch_definition((thing, name))
        raise AssertionError
    except RuntimeError as error:
        assert name in str(error)
assert Definition.from_address(address).name == b"get_ident"

# After all that the patch works, and the refusals are forgotten.
monkey.patch_all()
assert monkey.report().refused == {} and not nothing_patched()
print("pass")
