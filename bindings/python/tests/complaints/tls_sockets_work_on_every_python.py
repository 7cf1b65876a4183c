"""ssl.wrap_socket went in 3.12. Contexts, sockets and handshakes are CPython's own here; what they wait in is patched."""

import os
import socket
import ssl
import threading

from greenrt import monkey

folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tls")
early = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
context_class, wrap = ssl.SSLContext, ssl.SSLContext.wrap_socket
monkey.patch_all()
assert ssl.SSLContext is context_class and ssl.SSLContext.wrap_socket is wrap

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(os.path.join(folder, "localhost.pem"))
listener = socket.create_server(("127.0.0.1", 0))


native = threading.get_native_id()


def serve():
    assert threading.get_native_id() == native, "a task"
    for _ in range(3):
        plain, _ = listener.accept()
        with server.wrap_socket(plain, server_side=True) as connection:
            connection.sendall(connection.recv(100).upper())


thread = threading.Thread(target=serve)
thread.start()
for context in (early, ssl.create_default_context(cafile=os.path.join(folder, "ca.pem")), early):
    with socket.create_connection(listener.getsockname(), 60) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"HELLO" and connection.version().startswith("TLS")
thread.join(60)
assert not thread.is_alive()
print("pass")
