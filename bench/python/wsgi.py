"""A WSGI server that says hello: `wsgi.py KIND hello|flask`, prints "port N", serves until killed.

    tasks       greenrt.wsgi              bjoern, granian, waitress     themselves, one process and one thread for the application
    eventlet    eventlet's server         gevent                        gevent's server
    gunicorn    gunicorn with gevent

Each is used as its own documentation says, without an access log; gevent's sockets have TCP_NODELAY, without which it waits.
"""

import importlib
import os
import socket
import sys
import threading
import time

BACKLOG = 1024
BODY = b"Hello, world!"


def hello(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [BODY]


def flask():
    app = importlib.import_module("flask").Flask("hello")
    app.add_url_rule("/hello", view_func=lambda: BODY)
    return app


def application():
    return flask() if sys.argv[2:] == ["flask"] else hello


def listening():
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    announce(listener)
    return listener


def announce(listener):
    print("port", listener.getsockname()[1], flush=True)


def announced_later():
    """A free port, for servers that bind it by themselves; it is said as soon as somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def wait():
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.01)
            else:
                print("port", port, flush=True)
                return

    threading.Thread(target=wait, daemon=True).start()
    return port


def tasks():
    importlib.import_module("greenrt.wsgi").Server(application(), listener=listening(), log=None).serve_forever()


def eventlet():
    eventlet = importlib.import_module("eventlet")
    listener = eventlet.listen(("127.0.0.1", 0), backlog=BACKLOG)
    announce(listener)
    importlib.import_module("eventlet.wsgi").server(listener, application(), log_output=False, max_size=20_000)


def gevent():
    listener = importlib.import_module("gevent.socket").socket()
    # What is accepted has it too. Without it the body of an answer waits for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    announce(listener)
    importlib.import_module("gevent.pywsgi").WSGIServer(listener, application(), log=None).serve_forever()


def bjoern():
    bjoern = importlib.import_module("bjoern")
    listener = listening()
    bjoern.server_run(listener, application())


def waitress():
    importlib.import_module("waitress").serve(application(), sockets=[listening()], threads=1, connection_limit=2000)


def granian():
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH", "")]
    )
    server = importlib.import_module("granian").Granian(
        "wsgi:app",
        address="127.0.0.1",
        port=announced_later(),
        interface="wsgi",
        workers=1,
        blocking_threads=1,
        backlog=BACKLOG,
        log_enabled=False,
    )
    server.serve()


def gunicorn():
    base = importlib.import_module("gunicorn.app.base")
    port = announced_later()

    class Program(base.BaseApplication):
        def load_config(self):
            settings = {"bind": f"127.0.0.1:{port}", "worker_class": "gevent", "loglevel": "error", "keepalive": 60}
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self):
            return application()

    Program().run()


app = application()

if __name__ == "__main__":
    kinds = (tasks, eventlet, gevent, bjoern, waitress, granian, gunicorn)
    {kind.__name__: kind for kind in kinds}[sys.argv[1]]()
