"""gRPC's core waits in C with threads of its own: it is named, and its calls work from tasks by offload()."""

import sys
import types

import greenrt
from greenrt import debug, monkey

monkey.patch_all()
try:
    import grpc
except ImportError:
    grpc = None
    sys.modules["grpc"] = types.ModuleType("grpc")
assert "offload" in debug.blockers()["grpc"]
if grpc is not None and hasattr(grpc, "server"):
    from greenrt.threadpool import ThreadPoolExecutor

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request.upper())

    def call(text):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            return channel.unary_unary("/test/echo")(text, timeout=20)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tasks = [greenrt.spawn(greenrt.offload, call, b"hello") for _ in range(5)]
    assert [task.wait(40) for task in tasks] == [b"HELLO"] * 5
    greenrt.offload(server.stop(None).wait, 20)
print("pass")
