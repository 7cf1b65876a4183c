"""The application that gunicorn serves in test_wsgi_gunicorn.py."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from valid import checked

KEYS = ("wsgi.url_scheme", "wsgi.multiprocess", "REMOTE_ADDR", "RAW_URI", "SERVER_SOFTWARE", "SERVER_NAME")


def answers(environ: Any, start: Any) -> Any:
    name = environ["PATH_INFO"]
    if name in ("/sleep", "/hang", "/told"):
        environ["wsgi.errors"].write(f"begun: {environ['RAW_URI']}\n")
    if name == "/sleep":
        time.sleep(0.3)
    while name == "/told" and environ["greenrt.connection"].keep_alive:  # until the worker is to stop
        time.sleep(0.01)
    if name == "/hang":
        time.sleep(3600)
    if name == "/error":
        raise ValueError("of the application")
    body = environ["wsgi.input"].read(-1)
    start("200 OK", [("Content-Type", "application/json"), ("X-Answer", "42")])
    found = {"pid": os.getpid(), "body": body.decode(), **{key: environ[key] for key in KEYS}}
    return [json.dumps(found).encode()]


def gunicorn_file(environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


ROUTES = {"/file": checked(gunicorn_file)}
OTHERS = checked(answers)


def app(environ: Any, start: Any) -> Any:
    return ROUTES.get(environ["PATH_INFO"], OTHERS)(environ, start)
