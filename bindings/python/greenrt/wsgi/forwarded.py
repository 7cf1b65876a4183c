"""X-Forwarded-* headers, believed only from proxies that the program names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Union

__all__ = ["Trusted"]

_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Trusted:
    """The proxies: addresses, networks ("10.0.0.0/8"), "unix" for whoever comes by a unix socket, "*" for everybody.

    ValueError for a text that is none of these.
    """

    def __init__(self, proxies: Union[str, Iterable[str]]) -> None:
        names = [proxies] if isinstance(proxies, str) else list(proxies)
        self._all = "*" in names
        self._unix = self._all or "unix" in names
        self._networks = [_network(name) for name in names if name not in ("*", "unix")]

    def has(self, host: str) -> bool:
        """Is that address a trusted proxy's?"""
        if self._all:
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    def apply(self, environ: dict[str, Any], address: Any) -> None:
        """Puts what the proxy says about the client in the place of what the socket says about the proxy."""
        peer = self.has(address[0]) if isinstance(address, tuple) else self._unix
        if not peer:
            return
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if hops:
            # From the right: each proxy adds whom it heard from. The first that is no proxy of ours is the client.
            client = next((hop for hop in reversed(hops) if not self.has(hop)), hops[0])
            environ["REMOTE_ADDR"] = client
            environ.pop("REMOTE_PORT", None)
        scheme = _last(environ, "HTTP_X_FORWARDED_PROTO").lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
            environ["SERVER_PORT"] = "443" if scheme == "https" else "80"
        host = _last(environ, "HTTP_X_FORWARDED_HOST")
        if host:
            environ["HTTP_HOST"] = host
            environ["SERVER_NAME"], port = _host_and_port(host)
            if port:
                environ["SERVER_PORT"] = port
        port = _last(environ, "HTTP_X_FORWARDED_PORT")
        if port.isdecimal():
            environ["SERVER_PORT"] = port


def _network(name: str) -> _Network:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError:
        raise ValueError(f"{name!r} is no proxy: write an address, a network like 10.0.0.0/8, unix or *") from None


def _last(environ: dict[str, Any], key: str) -> str:
    """What the nearest proxy said."""
    text: str = environ.get(key, "")
    return text.rpartition(",")[2].strip()


def _host_and_port(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdecimal() else (host, "")
