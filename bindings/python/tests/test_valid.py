"""The validator around the applications of the tests: what it says is heard, and who is not under it has a reason to be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from valid import UNCHECKED, checked

TEXT = [("Content-Type", "text/plain")]


def ask(app: Any) -> Any:
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {"headers_raw": (("a", "b"),), "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    return app(environ, lambda status, headers, exc_info=None: lambda data: None)


def test_a_list_stays_one_and_the_rest_must_be_closed() -> None:
    def listed(environ: Any, start: Any) -> Any:
        assert environ["headers_raw"] == (("a", "b"),)
        start("200 OK", TEXT[:])
        return [b"a", b"b"]

    def given(environ: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", TEXT[:])
        yield b"a"

    app = checked(listed, "listed")
    assert ask(app) == [b"a", b"b"]
    app.settled()
    app = checked(given, "given")
    pieces = ask(app)
    assert list(pieces) == [b"a"]
    with pytest.raises(AssertionError, match="1 iterables were not closed"):
        app.settled()
    pieces.close()
    app.settled()


def test_complaints_are_kept() -> None:
    def bare(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return [b""]

    def late(environ: Any, start: Any) -> Any:
        start("200 OK", TEXT[:])
        return iter(["text"])

    for bad, words in ((bare, "No Content-Type"), (late, "non-bytestring")):
        app = checked(bad, "bad")
        with pytest.raises(AssertionError, match=words):
            pieces = ask(app)
            try:
                next(pieces)
            finally:
                pieces.close()
        with pytest.raises(AssertionError, match=words):
            app.settled()


def test_who_is_not_under_it_is_there_and_has_a_reason() -> None:
    here = Path(__file__).resolve().parent
    names: set[str] = set()
    for path in [*here.glob("wsgi/*.py"), *here.glob("compat/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                names |= {node.name, node.name.rstrip("_")}
            elif isinstance(node, ast.keyword) and node.arg:
                names.add(node.arg)
    assert set(UNCHECKED) <= names, set(UNCHECKED) - names
    assert checked(ask, "reads") is ask
