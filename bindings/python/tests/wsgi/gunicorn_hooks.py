"""A configuration of gunicorn's for test_wsgi_gunicorn.py."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-not-found]


def pre_request(worker: Any, req: Any) -> None:
    worker.log.info("before %s %s %s", req.method, req.uri, dict(req.headers)["X-THING"])


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    worker.log.info("after %s %s %s", req.path, resp.status, dict(resp.headers).get("X-Answer"))


class Told(Logger):  # type: ignore[misc]
    """A logger that writes its own line for each answer."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """As gunicorn calls it."""
        names = [name for name, _ in resp.headers]
        self.info(
            "told %s %s %s %s %s", resp.status, resp.status_code, req.method, environ["PATH_INFO"], *names[:1] or "-"
        )
