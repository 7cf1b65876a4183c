"""A WSGI server on tasks: one task for each connection, HTTP by the library's own engine.

    from greenrt.wsgi import serve
    serve(app, "127.0.0.1", 8000)              until KeyboardInterrupt
    with Server(app, "127.0.0.1", 0) as server: print(server.address)

`python -m greenrt.wsgi module:app --bind 127.0.0.1:8000 --workers 2` is the same from a command line, with processes.

An application finds two keys of greenrt in its environ: `greenrt.connection`, whose detach() takes the connection out of HTTP, and
`greenrt.socket`, the standard library's socket below it.
"""

from greenrt._core.http import Limits

from .body import FileWrapper
from .server import Server, serve

__all__ = ["FileWrapper", "Limits", "Server", "serve"]
