"""The `ssl` module, green, with wrap_socket() also where the standard module has it no more."""

from __future__ import annotations

import socket as _socket
import ssl as _standard
from typing import Any, Optional

from greenrt.compat.eventlet.green._twin import fill
from greenrt.compat.eventlet.greenio import GreenSocket

__patched__: list[str] = [
    "SSLContext",
    "SSLSocket",
    "_create_default_https_context",
    "create_default_context",
    "sslwrap_simple",
    "wrap_socket",
]


class GreenSSLSocket(_standard.SSLSocket):
    """A TLS socket. One that listens accepts at once: the handshake is done by whoever reads or writes first, so that a slow client
    keeps nobody waiting."""

    @property
    def fd(self) -> _socket.socket:
        """The socket below: this one."""
        return self

    @property
    def act_non_blocking(self) -> bool:
        """Does it raise instead of waiting?"""
        return self.gettimeout() == 0.0

    def accept(self) -> tuple[Any, Any]:
        """The next connection and its address; TLS begins with the first read, write or do_handshake()."""
        plain, address = _socket.socket.accept(self)
        try:
            secured = self.context.wrap_socket(
                plain,
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=self.suppress_ragged_eofs,  # type: ignore[attr-defined]
            )
        except BaseException:
            plain.close()
            raise
        return secured, address


class GreenSSLContext(_standard.SSLContext):
    """A context whose sockets are GreenSSLSocket."""

    sslsocket_class = GreenSSLSocket


SSLSocket = GreenSSLSocket
SSLContext = GreenSSLContext


def create_default_context(*args: Any, **kwargs: Any) -> _standard.SSLContext:
    """As ssl.create_default_context()."""
    context = _standard.create_default_context(*args, **kwargs)
    context.sslsocket_class = GreenSSLSocket
    return context


def _create_default_https_context(*args: Any, **kwargs: Any) -> _standard.SSLContext:
    return create_default_context(*args, **kwargs)


def wrap_socket(
    sock: Any,
    keyfile: Optional[str] = None,
    certfile: Optional[str] = None,
    server_side: bool = False,
    cert_reqs: int = _standard.CERT_NONE,
    ssl_version: Any = None,
    ca_certs: Optional[str] = None,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    ciphers: Optional[str] = None,
) -> GreenSSLSocket:
    """TLS over a socket, which it takes over. As in the standard module up to 3.11: nothing is verified unless cert_reqs says so.

    ValueError for server_side without a certificate, for a key without its certificate, and for cert_reqs without ca_certs.
    """
    if server_side and not certfile:
        raise ValueError("certfile must be specified for server-side operations")
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if cert_reqs != _standard.CERT_NONE and not ca_certs:
        raise ValueError("ca_certs is needed to verify certificates")
    if ssl_version is None or ssl_version == getattr(_standard, "PROTOCOL_TLS", 2):
        ssl_version = _standard.PROTOCOL_TLS_SERVER if server_side else _standard.PROTOCOL_TLS_CLIENT
    context = GreenSSLContext(ssl_version)
    context.check_hostname = False
    context.verify_mode = _standard.VerifyMode(cert_reqs)
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    made = context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake_on_connect,
        suppress_ragged_eofs=suppress_ragged_eofs,
    )
    assert isinstance(made, GreenSSLSocket)
    return made


def sslwrap_simple(sock: Any, keyfile: Optional[str] = None, certfile: Optional[str] = None) -> GreenSSLSocket:
    """wrap_socket() for a client, by its old name."""
    return wrap_socket(GreenSocket(sock), keyfile, certfile)


fill(globals(), "ssl", "ssl", "socket", "select")
