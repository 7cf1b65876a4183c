"""What clients of badly behaved applications get, and that the server goes on."""

from __future__ import annotations

import re

import pytest
from wsgi_client import Servers, servers

assert servers


def new_words(servers: Servers, before: int) -> str:
    return servers.said()[before:]


@pytest.mark.parametrize(
    "path, words",
    [
        ("/raises_before", "RuntimeError: before the headers"),
        ("/raises_after_start", "RuntimeError: after start_response, nothing sent"),
        ("/starts_twice", "AssertionError: start_response() was called before"),
        ("/never_starts", "AssertionError: the application did not call start_response()"),
        ("/returns_none", "TypeError: the application returned NoneType"),
        ("/returns_str", "TypeError: the application returned str"),
        ("/returns_bytes", "TypeError: the application returned bytes"),
        ("/yields_str", "TypeError: the body of an answer is bytes, not str"),
        ("/writes_str", "TypeError: the body of an answer is bytes, not str"),
        ("/header_line_break", "ValueError: a control character in the header X-A"),
        ("/header_null", "ValueError: a control character in the header X-A"),
        ("/header_name_colon", "ValueError: not a name of a header"),
        ("/header_name_empty", "ValueError: not a name of a header"),
        ("/header_not_latin", "ValueError: the header X-A is not latin-1"),
        ("/header_bytes", "TypeError: a header is a pair of str"),
        ("/header_int", "TypeError: a header is a pair of str"),
        ("/header_no_pair", "TypeError: a header is a pair of str"),
        ("/header_length_text", "ValueError: not a Content-Length"),
        ("/header_two_lengths", "ValueError: not a Content-Length"),
        ("/status_int", "TypeError: the status of an answer is a str, not int"),
        ("/status_short", "ValueError: the status of an answer is like '200 OK'"),
        ("/status_text", "ValueError: the status of an answer is like '200 OK'"),
        ("/status_line_break", "ValueError: the status of an answer is like '200 OK'"),
        ("/status_informational", "ValueError: the status of an answer is like '200 OK'"),
        ("/headers_tuple", "TypeError: the headers of an answer are a list, not tuple"),
        ("/too_much_in_a_list", "ValueError: the application returned 4 bytes, and its Content-Length says 3"),
        ("/too_little_in_a_list", "ValueError: the application returned 4 bytes, and its Content-Length says 5"),
    ],
)
def test_nothing_was_sent_so_the_answer_is_500(servers: Servers, path: str, words: str) -> None:
    before = len(servers.said())
    with servers.client() as client:
        reply = client.get(path)
        assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
        assert "evil" not in str(reply.fields)
        assert reply.headers["connection"] == "close"
        assert client.ended()
    said = new_words(servers, before)
    assert words in said, said
    assert f"error in the application, at GET {path}" in said
    assert servers.get("/hello").body == b"hello\n"


@pytest.mark.parametrize(
    "path, body, words",
    [
        ("/raises_during", b"a piece", "KeyError: 'in the middle'"),
        ("/yields_str_late", b"bytes, then ", "TypeError: the body of an answer is bytes, not str"),
        ("/exc_info_too_late", b"too late", "LookupError: seen after the head was sent"),
        ("/too_little", b"four", "ValueError: the application sent 1 bytes less than its Content-Length says"),
    ],
)
def test_the_client_sees_that_an_answer_is_cut(servers: Servers, path: str, body: bytes, words: str) -> None:
    before = len(servers.said())
    with servers.client() as client:
        reply = client.get(path)
        assert reply.status == 200
        assert not reply.whole
        assert reply.body == body or body in reply.body
        assert client.ended()
    assert words in new_words(servers, before)
    if path == "/raises_during":
        assert "raising closed" in servers.notes()


def test_no_byte_more_than_announced(servers: Servers) -> None:
    before = len(servers.said())
    with servers.client() as client:
        reply = client.get("/too_much")
        assert (reply.body, reply.whole) == (b"fou", True)
        assert client.ended()
    assert "ValueError: the application sent more than its Content-Length says" in new_words(servers, before)


def test_an_error_of_close_comes_too_late_for_the_client(servers: Servers) -> None:
    before = len(servers.said())
    with servers.client() as client:
        reply = client.get("/raises_at_close")
        assert (reply.body, reply.whole) == (b"all is sent", True)
        assert client.get("/hello").body == b"hello\n"
    assert "RuntimeError: in close()" in new_words(servers, before)


def test_a_path_with_control_characters_stays_on_its_line_of_the_error_log(servers: Servers) -> None:
    before = len(servers.said())
    servers.get("/raises_before/%0Aevil%1b[2J")
    said = new_words(servers, before)
    assert re.search(r"at GET /raises_before/\\nevil\\x1b\[2J$", said, re.M), said


def test_an_input_that_was_kept_reads_nothing_of_the_next_request(servers: Servers) -> None:
    with servers.client() as client:
        assert client.get("/keeps_the_input", "POST", b"one").body == b"first"
        assert client.get("/keeps_the_input", "POST", b"two").body == b"b''"
        assert client.get("/hello").body == b"hello\n"


def test_system_exit_ends_serve_forever(servers: Servers) -> None:
    with servers.client("leaving") as client:
        client.send(b"GET /leaves HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.ended()
    for _ in range(200):
        if "left with 7" in servers.notes():
            break
    assert "left with 7" in servers.notes()
    with pytest.raises(ConnectionRefusedError):
        servers.client("leaving")
