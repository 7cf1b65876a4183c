"""The generated signatures belong to the header, and the generator refuses what it does not understand."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import pytest
from conftest import PACKAGE, ROOT

gen_bindings = pytest.importorskip("gen_bindings", reason="not in an installed package")

from greenrt._ffi import _bindings, load

HEADER = (ROOT / "include" / "greenrt.h").read_text()


def test_the_generated_file_is_fresh() -> None:
    gen_bindings.check()


def test_a_stale_file_is_noticed(monkeypatch: Any, tmp_path: Any) -> None:
    changed = tmp_path / "greenrt.h"
    changed.write_text(HEADER.replace("gt_yield(void)", "gt_yield(int how)"))
    monkeypatch.setattr(gen_bindings, "HEADER", changed)
    with pytest.raises(gen_bindings.Stale):
        gen_bindings.check()


def test_every_function_of_the_header_has_a_signature() -> None:
    declared = set(re.findall(r"\b(gt_\w+) ?\(", gen_bindings.strip(HEADER)))
    assert declared == set(_bindings.SIGNATURES)
    assert len(declared) > 80
    for name, (result, parameters) in _bindings.SIGNATURES.items():
        function = getattr(load.library, name)
        if name != "gt_python_builtins":  # load.py asks that one for an object
            assert function.restype is result and list(function.argtypes) == parameters


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("int64_t gt_f(void);", '"gt_f": (ctypes.c_int64, [])'),
        (
            "void gt_f(const char *name, void **out);",
            '"gt_f": (None, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)])',
        ),
        ("int gt_f(void (*fn)(void *arg), void *arg);", '"gt_f": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p])'),
        ("int gt_f(struct pollfd *fds, nfds_t nfds);", '"gt_f": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong])'),
        (
            "typedef struct gt_s_t { size_t size; int64_t at; } gt_s_t; int gt_f(const struct gt_s_t *s);",
            '"gt_f": (ctypes.c_int, [ctypes.POINTER(gt_s_t)])',
        ),
    ],
)
def test_types(declaration: str, expected: str) -> None:
    assert expected in gen_bindings.Reader(declaration).source()


@pytest.mark.parametrize("declaration", ["int gt_f(long double x);", "union u { int x; };", "int gt_f(mystery_t x);"])
def test_what_is_not_understood_is_an_error(declaration: str) -> None:
    with pytest.raises(ValueError, match=r"gen_bindings\.py does not"):
        gen_bindings.Reader(declaration)


def test_constants() -> None:
    assert _bindings.GT_NEVER == 2**63 - 1
    assert _bindings.GT_ABI_VERSION == 1
    import greenrt

    assert greenrt.__version__ == _bindings.GT_VERSION
    assert f'version = "{greenrt.__version__}"' in (PACKAGE / "pyproject.toml").read_text()


def test_a_call_through_the_signatures() -> None:
    stats = _bindings.gt_stats_t(size=ctypes.sizeof(_bindings.gt_stats_t))
    assert load.library.gt_stats(ctypes.byref(stats)) == 0
    assert load.library.gt_now() > 0
    assert load.library.gt_version() == _bindings.GT_VERSION.encode()
    assert load.library.gt_join(12345, None) < 0
