# needs: gunicorn
"""gunicorn dropped its eventlet worker. `-k greenrt.gunicorn.Worker` serves an application whose code blocks, many requests at a time."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Nobody is answered before thirty are asked for at the same time.
APP = """
import time

inside = 0

def app(environ, start_response):
    global inside
    if environ["PATH_INFO"] == "/together":
        inside += 1
        while inside < 30:
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""


def ask(path, answers, page=b"/"):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(100)
        client.connect(path)
        client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % page)
        answer = b""
        while data := client.recv(1000):
            answer += data
        answers.append(answer)


with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "program.py"), "w") as file:
        file.write(APP)
    path = os.path.join(folder, "socket")
    line = [
        sys.executable,
        "-m",
        "gunicorn",
        "-k",
        "greenrt.gunicorn.Worker",
        "-b",
        f"unix:{path}",
        "--chdir",
        folder,
        "program:app",
    ]
    with subprocess.Popen(line, env={**os.environ, "HOME": folder}, stderr=subprocess.PIPE, text=True) as master:
        try:
            answers = []
            end = time.monotonic() + 100
            while not answers:
                assert master.poll() is None and time.monotonic() < end, master.stderr.read()
                try:
                    ask(path, answers)
                except OSError:
                    time.sleep(0.02)
            asking = [threading.Thread(target=ask, args=(path, answers, b"/together")) for _ in range(30)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            assert len(answers) == 31 and all(
                a.startswith(b"HTTP/1.1 200 OK") and a.endswith(b"hello") for a in answers
            )
            master.send_signal(signal.SIGTERM)
            assert master.wait(100) == 0
        finally:
            master.kill()
print("pass")
