"""Fetches 200 pages at once with the standard library's urllib, from a server in the same process.

    python examples/python/crawler.py [PAGES]

Each page takes the server 100 ms. Both sides are plain blocking code: urllib.request, http.server, time.sleep. Patched in
place they run as tasks of one OS thread, so the pages overlap. (A second one looked up the server's name.) It prints something like

    200 pages, 7,490 bytes, in 0.15 s on 2 OS threads (one after the other: 20.0 s)
"""

import http.server
import os
import sys
import threading
import time
import urllib.request

import greenrt
from greenrt import monkey

SERVING_TIME = 0.1


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(SERVING_TIME)
        body = f"<title>{self.path}</title> and its text\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class Site(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as page:
        body = page.read()
    path = url[url.index("/", 8) :]
    assert f"<title>{path}</title>".encode() in body, body
    return len(body)


def main():
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    monkey.patch_all()
    site = Site(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    started = time.monotonic()
    tasks = [greenrt.spawn(fetch, f"http://127.0.0.1:{site.server_port}/page/{n}") for n in range(pages)]
    size = sum(task.wait() for task in tasks)
    seconds = time.monotonic() - started
    threads = len(os.listdir("/proc/self/task"))
    many = f"{threads} OS thread{'s' if threads > 1 else ''}"
    serial = pages * SERVING_TIME
    print(f"{pages} pages, {size:,} bytes, in {seconds:.2f} s on {many} (one after the other: {serial:.1f} s)")
    site.shutdown()
    site.server_close()


if __name__ == "__main__":
    main()
