"""A configuration of gunicorn's for test_wsgi_gunicorn.py."""

from __future__ import annotations

from typing import Any


def pre_request(worker: Any, req: Any) -> None:
    worker.log.info("before %s %s %s", req.method, req.uri, dict(req.headers)["X-THING"])


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    worker.log.info("after %s %s %s", req.path, resp.status, dict(resp.headers).get("X-Answer"))
