"""eventlet.wsgi: its log."""

from __future__ import annotations

import logging
import re

from compat.apart import apart
from compat.wsgi_served import Served, hello, with_a_protocol


@apart
def test_the_log() -> None:
    with Served(hello) as served:
        served.get("/path?q", "X-Forwarded-For: 1.2.3.4, 5.6.7.8")
    lines = served.log.getvalue().splitlines()
    assert re.fullmatch(rf"\(\d+\) wsgi starting up on http://127.0.0.1:{served.address[1]}", lines[0]), lines
    assert re.fullmatch(r"\(\d+\) accepted \('127.0.0.1', \d+\)", lines[1]), lines
    line = r'1.2.3.4,5.6.7.8,127.0.0.1 - - \[\d\d/\w{3}/\d{4} [\d:]{8}\] "GET /path\?q HTTP/1.1" 200 \d+ \d+\.\d{6}'
    assert re.fullmatch(line, lines[2]), lines
    assert re.fullmatch(r"\(\d+\) wsgi exited, is_accepting=True", lines[3]), lines


@apart
def test_the_log_as_one_wants_it() -> None:
    form = "%(client_ip)s|%(request_line)s|%(status_code)s"
    with Served(hello, log_format=form, log_x_forwarded_for=False, debug=False) as served:
        served.get("/log", "X-Forwarded-For: 1.2.3.4")
        served.raw(b"GET /\x1b[1mlog HTTP/1.1\r\nHost: a\r\n\r\n")
    lines = served.log.getvalue().splitlines()
    assert "127.0.0.1|GET /log HTTP/1.1|200" in lines, lines
    assert "\x1b" not in served.log.getvalue()
    assert not any("accepted" in line for line in lines)

    with Served(hello, log_output=False) as served:
        served.get()
    assert served.log.getvalue() == ""

    heard: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    logger = logging.Logger("mine")
    logger.addHandler(Handler())
    with Served(hello, log=logger) as served:
        served.get("/100%25")
    assert any('"GET /100%25 HTTP/1.1" 200' in line for line in heard), heard


@apart
def test_a_protocol_keeps_the_same_promises() -> None:
    assert with_a_protocol(globals()) == 2
