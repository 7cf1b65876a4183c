"""An unmodified ThreadingHTTPServer program: a thread per connection, keep-alive, a handler that sleeps.

    python -m greenrt examples/python/threaded_http.py [PORT]      every thread is a task of one OS thread
    python examples/python/threaded_http.py [PORT]                 the same program on OS threads

The first line it prints is `port N`; without PORT, or with 0, it picks one. Then
    GET /anything   answers with the path, after a nap of 20 ms
    GET /threads    answers with the number of OS threads of the process
It serves until it is terminated. There is nothing of greenrt in it.
"""

import http.server
import os
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/threads":
            text = str(len(os.listdir("/proc/self/task")))
        else:
            time.sleep(0.02)
            text = f"you asked for {self.path}"
        body = f"{text}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with Server(("127.0.0.1", port), Handler) as server:
        print("port", server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
