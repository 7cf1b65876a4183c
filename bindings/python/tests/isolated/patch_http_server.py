# timeout: 120
# flags: -X dev -W ignore::DeprecationWarning
"""The standard library's ThreadingHTTPServer and 200 urllib clients in one process, on one OS thread."""

import http.server
import os
import threading
import time
import urllib.request

from greenrt import monkey

monkey.patch_all()
CLIENTS = 200
peak = active = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global peak, active
        active += 1
        peak = max(peak, active)
        while peak <= CLIENTS / 4:  # until so many requests overlap
            time.sleep(0.01)
        active -= 1
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


before = len(os.listdir("/proc/self/task"))
server = Server(("127.0.0.1", 0), Handler)
serving = threading.Thread(target=server.serve_forever, daemon=True)
serving.start()
base = f"http://127.0.0.1:{server.server_port}"
good = []


def client(n):
    with urllib.request.urlopen(f"{base}/page/{n}", timeout=180) as response:
        assert response.read() == f"you asked for /page/{n}".encode()
    sent = os.urandom(1000 * (n % 7))
    with urllib.request.urlopen(base, data=sent, timeout=180) as response:
        assert response.read() == sent[::-1]
    good.append(n)


clients = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
for thread in clients:
    thread.start()
for thread in clients:
    thread.join()
assert sorted(good) == list(range(CLIENTS)), f"{len(good)} of {CLIENTS}"
assert peak > CLIENTS / 4, f"at most {peak} requests overlapped"
# The server asked for its own name: for ten seconds after that there is a thread for lookups.
assert len(os.listdir("/proc/self/task")) <= before + 1
server.shutdown()
serving.join()
server.server_close()
print("pass")
