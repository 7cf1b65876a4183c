# needs: requests
"""TLS between tasks of one process, with a private certificate authority: requests trusts it when told to, and nobody else."""

from greenrt import monkey

monkey.patch_all()

import http.server  # noqa: E402
import ssl  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402

import requests  # noqa: E402
from overlap import os_threads  # noqa: E402

CERTIFICATES = Path(__file__).resolve().parent.parent / "tls"


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100

    def finish_request(self, request: object, address: object) -> None:
        """The handshake belongs to the connection's own thread."""
        super().finish_request(context.wrap_socket(request, server_side=True), address)  # type: ignore[arg-type]

    def handle_error(self, *_: object) -> None:
        refused.append(1)


refused: "list[int]" = []
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATES / "localhost.pem")
server = Server(("127.0.0.1", 0), Hello)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_address[1]}"
results = []


def get(n: int) -> None:
    results.append(requests.get(f"{url}/{n}", verify=str(CERTIFICATES / "ca.pem"), timeout=60).text)


threads = [threading.Thread(target=get, args=(n,)) for n in range(30)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(results) == sorted(f"/{n}" for n in range(30)), results
for trust, address in ((True, url), (str(CERTIFICATES / "ca.pem"), url.replace("localhost", "127.0.0.2"))):
    try:
        requests.get(address, verify=trust, timeout=60)
        raise AssertionError(f"{address} was trusted by {trust}")
    except (requests.exceptions.SSLError, requests.exceptions.ConnectionError) as error:
        assert "refused" in str(error) or "verify failed" in str(error).lower(), error
assert os_threads() <= 12, "neither a request nor a connection is an OS thread; names may be looked up on some"
server.shutdown()
print("pass")
