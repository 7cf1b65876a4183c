"""wsgiref's validator around the applications of the tests, and by name, with the reason, those that it is not around.

app = checked(app)          # under the validator, unless its name is below
app.settled()               # AssertionError, if it or the server did what the PEP forbids
"""

from __future__ import annotations

from typing import Any
from wsgiref.validate import validator

# fmt: off
_WHY: dict[str, tuple[str, ...]] = {
    "what a file wrapper makes must reach the server as it is": ("gunicorn_file", "file"),
    "it has forbidden headers": (
        "header_line_break", "header_null", "header_name_colon", "header_name_empty", "header_not_latin", "header_bytes", "header_int",
        "header_no_pair", "header_length_text", "header_two_lengths", "headers_tuple", "hops", "close_please", "test_headers_that_cannot_be_sent",
    ),
    "its status is none": ("status_int", "status_short", "status_text", "status_line_break", "status_informational"),
    "it starts its answer twice, or never": ("starts_twice", "never_starts"),
    "what it answers is no iterable of bytes": (
        "returns_none", "returns_str", "returns_bytes", "yields_str", "yields_str_late", "writes_str",
    ),
    "the server is to know the length of its tuple": ("two_cookies",),
    "its body is not as long as it said": (
        "too_much", "too_little", "too_much_in_a_list", "too_little_in_a_list",
    ),
    "it reads without a size, which the PEP allows": ("echo_all", "reads"),
    "eventlet takes numbers for headers and text for bytes": ("test_values_of_headers_may_be_numbers",),
    "it looks for the very objects that the server put in the environ": ("test_the_environ",),
    "it calls methods of wsgi.input that are eventlet's": (
        "test_expect_100_continue",
        "test_an_answer_that_has_begun_is_not_interrupted_by_100_continue",
        "test_a_protocol_of_ones_own_may_ask_for_one_body_after_the_other",
    ),
}
# fmt: on
UNCHECKED = {name: reason for reason, names in _WHY.items() for name in names}

# What eventlet puts there, and is no string.
_NO_STRINGS = ("headers_raw",)


def checked(app: Any, name: str = "") -> Any:
    """The application, under the validator if it can be. Its name is that of the outermost function that made it."""
    name = name or getattr(app, "__qualname__", type(app).__name__).partition(".")[0]
    return app if name in UNCHECKED else Checked(app)


class Checked:
    """An application under the validator. A list remains a list, as a server knows its length."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.complaints: list[str] = []
        self.open = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        others = {key: environ.pop(key) for key in _NO_STRINGS if key in environ}

        def inside(environ: dict[str, Any], start_response: Any) -> Any:
            environ.update(others)
            return self.app(environ, start_response)

        try:
            result: Any = validator(inside)(environ, start_response)
            if type(result.original_iterator) is not list:
                self.open += 1
                return _Pieces(self, result)
            try:
                return list(result)
            finally:
                result.close()
        except AssertionError as error:
            self.complaints.append(str(error))
            raise

    def settled(self) -> None:
        """Nobody complained, and each iterable was closed."""
        assert not self.complaints, self.complaints
        assert self.open == 0, f"{self.open} iterables were not closed"


class _Pieces:
    def __init__(self, checked: Checked, pieces: Any) -> None:
        self.checked, self.pieces = checked, pieces

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        try:
            piece: bytes = next(self.pieces)
        except AssertionError as error:
            self.checked.complaints.append(str(error))
            raise
        return piece

    def close(self) -> None:
        self.checked.open -= 1
        self.pieces.close()
