"""ssl, urllib and everything else may be imported, subclassed and used before the patch; nothing recurses, and twice is once."""

import http.server
import socket
import ssl
import threading
import urllib.request
from socket import create_connection
from socket import socket as socket_class
from time import sleep

context = ssl.create_default_context()
context.minimum_version = ssl.TLSVersion.TLSv1_2


class Derived(ssl.SSLContext):
    @property
    def options(self):
        return super().options


class Mine(socket_class):
    pass


pair = socket.socketpair()
assert isinstance(Mine(), socket_class)

from greenrt import monkey  # noqa: E402

monkey.patch("socket")
monkey.patch_all()
monkey.patch_all()
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.verify_mode = ssl.CERT_REQUIRED
fresh = Derived(ssl.PROTOCOL_TLS_CLIENT)
fresh.minimum_version = ssl.TLSVersion.TLSv1_2
assert fresh.options and context.options

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
server.RequestHandlerClass.log_message = lambda *args: None
thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
thread.start()
assert urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=60).status == 200
server.shutdown()
thread.join(60)
server.server_close()

ready = []
reader = threading.Thread(
    target=lambda: ready.append((pair[0].recv(1), threading.get_native_id()))
)  # a socket made before
reader.start()
sleep(0.01)  # a name taken before
pair[1].send(b"x")
reader.join(60)
assert ready == [(b"x", threading.get_native_id())], "a task, on this OS thread"
assert create_connection is socket.create_connection
print("pass")
