"""A Flask program for `python -m greenrt.wsgi`: forms, a session, JSON, uploads, a stream, files, errors, and waiting."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, g, jsonify, request, send_file, session, stream_with_context

app = Flask(__name__)
app.secret_key = "a secret for tests"
inside = peak = 0


@app.get("/")
def hello() -> str:
    return "hello"


@app.post("/form")
def form() -> Any:
    session["name"] = request.form["name"]
    return jsonify(request.form)


@app.get("/who")
def who() -> Any:
    return jsonify(name=session.get("name"), args=request.args, scheme=request.scheme, ip=request.remote_addr)


@app.post("/json")
def json_() -> Any:
    return jsonify(got=request.get_json())


@app.post("/upload")
def upload() -> Any:
    file = request.files["file"]
    return jsonify(name=file.filename, size=len(file.read()), pid=os.getpid())


@app.get("/stream")
def stream() -> Response:
    g.word = "piece"

    @stream_with_context
    def pieces() -> Iterator[str]:
        for number in range(5):
            time.sleep(0.01)
            yield f"{g.word} {number} of {request.path}\n"

    return Response(pieces(), mimetype="text/plain")


@app.get("/file")
def file() -> Response:
    return send_file(__file__, mimetype="text/plain", conditional=True)


@app.get("/memory")
def memory() -> Response:
    return send_file(io.BytesIO(b"from memory"), mimetype="application/octet-stream")


@app.get("/slow")
def slow() -> Any:
    global inside, peak
    inside += 1
    peak = max(peak, inside)
    g.me = threading.get_ident()
    while peak <= 5:  # until so many wait at a time
        time.sleep(0.01)
    inside -= 1
    return jsonify(peak=peak, mine=g.me == threading.get_ident(), me=g.me)


@app.get("/gone")
def gone() -> None:
    abort(410)


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("broken on purpose")
