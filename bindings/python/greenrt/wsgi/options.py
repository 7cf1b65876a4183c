"""The command line of `python -m greenrt.wsgi`."""

from __future__ import annotations

import argparse
import importlib
import logging
import math
import os
import ssl
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional

from greenrt._core.http import Limits, Settled

from .address import parse
from .forwarded import Trusted
from .log import AccessLog
from .say import say

__all__ = ["Failure", "fail", "go_to", "load_app", "read", "tls_context"]


# listen(2) takes an int.
_MOST = (1 << 31) - 1


class Failure(Exception):
    """Why it cannot start: one line that says what to do."""


def fail(reason: object) -> NoReturn:
    """Says why, and ends with exit code 1."""
    say(f"greenrt.wsgi: {reason}")
    raise SystemExit(1)


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Failure for those that cannot be; argparse itself ends the process for those it does not know."""
    parser = argparse.ArgumentParser(
        prog="python -m greenrt.wsgi",
        description="Serves a WSGI application.",
        epilog="Signals: TERM or INT end it when requests are done, and once more at once; HUP starts the workers anew.",
    )
    add = parser.add_argument
    add(
        "app",
        metavar="MODULE:APP",
        help="the application: a module, and a name in it or a call that makes it; the name is `app` if left out",
    )
    add("--bind", "-b", metavar="ADDRESS", default="127.0.0.1:8000", help="host:port or unix:path (%(default)s)")
    add("--workers", "-w", metavar="N", type=int, default=1, help="processes (%(default)s)")
    add("--reload", action="store_true", help="start anew when a file of the program changes")
    add("--chdir", metavar="FOLDER", help="go there first")
    add("--access-log", metavar="FILE", help="write a line for each answer to a file, - for stdout")
    add(
        "--access-format",
        metavar="FORMAT",
        default="common",
        help="common, combined, or a format of your own (%(default)s)",
    )
    add("--certfile", metavar="FILE", help="TLS: the certificate, and those above it")
    add("--keyfile", metavar="FILE", help="TLS: its key, if it is not in the same file")
    add("--max-connections", metavar="N", type=int, help="at a time, in each worker; more wait")
    add("--backlog", metavar="N", type=int, default=2048, help="connections that wait to be accepted (%(default)s)")
    add(
        "--trust-forwarded",
        metavar="PROXIES",
        help="believe X-Forwarded-* of these: addresses, networks, unix, * for everybody; by commas",
    )
    add(
        "--graceful-timeout",
        metavar="SECONDS",
        type=float,
        default=30.0,
        help="for requests when a worker ends (%(default)s)",
    )
    add(
        "--no-patch",
        action="store_true",
        help="leave the standard library's blocking calls as they are, sockets excepted",
    )
    add("--no-banner", action="store_true", help="do not say where it listens")
    for name, default in Limits._field_defaults.items():
        what = (Limits.__dict__[name].__doc__ or name).rstrip(".")
        add(
            f"--limit-{name.replace('_', '-')}",
            metavar="N",
            type=int if name.startswith("max_") else float,
            default=default,
            help=f"limit: {_LIMITS.get(name, what)}",
        )
    options = parser.parse_args(arguments)
    if options.workers < 1:
        raise Failure("--workers is 1 or more")
    if not 1 <= options.backlog <= _MOST:
        raise Failure(f"--backlog is a number from 1 to {_MOST}")
    if options.max_connections is not None and options.max_connections < 1:
        raise Failure("--max-connections is 1 or more; leave it out for no bound")
    if not 0 <= options.graceful_timeout < math.inf:
        raise Failure("--graceful-timeout is a number of seconds, 0 or more")
    if options.keyfile and not options.certfile:
        raise Failure("--keyfile needs --certfile")
    try:
        options.address = parse(options.bind)
        options.limits = Limits(*(getattr(options, f"limit_{name}") for name in Limits._fields))
        Settled.of(options.limits)
        options.trusted = (
            None if options.trust_forwarded is None else [name.strip() for name in options.trust_forwarded.split(",")]
        )
        Trusted(options.trusted or ())
        AccessLog(logging.getLogger("greenrt.access"), options.access_format)
    except ValueError as error:
        raise Failure(str(error)) from error
    return options


_LIMITS = {
    "max_line": "bytes of the request line",
    "max_headers": "header fields",
    "max_header_bytes": "bytes of a request's head",
    "max_body": "bytes of a body",
    "first_byte": "seconds from the connection to its first byte",
    "idle": "seconds from an answer to the next request",
    "head": "seconds for the head of a request",
    "body": "seconds for each piece of a body",
    "write": "seconds for each piece of an answer",
    "body_total": "seconds for a whole body; none unless given",
}


def go_to(folder: str) -> None:
    """--chdir. Failure when that cannot be."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise Failure(f"cannot go to {folder}: {error.strerror}; --chdir names the folder of the program") from error


def tls_context(certfile: Optional[str], keyfile: Optional[str]) -> Optional[ssl.SSLContext]:
    """A context of that certificate. Failure when it cannot be used."""
    if certfile is None:
        return None
    for path in filter(None, (certfile, keyfile)):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise Failure(f"cannot read {path}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certfile, keyfile, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        key = keyfile or certfile
        raise Failure(
            f"{certfile} and {key} are no certificate with its key ({_reason(error)}): both in PEM, the key without a password"
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)


def load_app(name: str) -> Callable[..., Any]:
    """The application that "module:name" stands for. Failure when there is none; what the module itself raises comes through."""
    module_name, colon, path = name.partition(":")
    path = path if colon else "app"
    if not module_name:
        raise Failure(f"no module in {name!r}: write module:app")
    if not path:
        raise Failure(f"no name after the colon of {name!r}: write module:app")
    if os.sep in module_name or module_name.startswith(".") or module_name.endswith((".py", ".")):
        folder, file = os.path.split(module_name)
        stem = (file[:-3] if file.endswith(".py") else file).strip(".") or "module"
        there = f", and --chdir {folder}" if folder not in ("", ".") else ""
        raise Failure(f"{module_name!r} is no name of a module: write {stem}:{path}{there}")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise Failure(f"there is no module {module_name!r}: look at its name, or use --chdir or PYTHONPATH") from error
    attribute, call, _ = path.partition("(")
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = [
                key
                for key, value in vars(module).items()
                if callable(value) and not key.startswith("_") and not isinstance(value, type)
            ]
            hint = f"; it has {', '.join(sorted(names)[:8])}" if names else ""
            raise Failure(f"module {module_name!r} has no {attribute!r}{hint}") from None
    if call:
        if not path.endswith("()"):
            raise Failure(f"a call takes no arguments here: write {module_name}:{attribute}()")
        found = found()
    if not callable(found):
        raise Failure(f"{name!r} is no application: {type(found).__name__} cannot be called")
    return found  # type: ignore[no-any-return]
