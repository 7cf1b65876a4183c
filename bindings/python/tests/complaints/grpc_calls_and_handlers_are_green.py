# needs: grpc
# timeout: 120
"""gRPC as it is: blocking stubs in many tasks at once, servers in this process and in another, handlers on its ThreadPoolExecutor."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import greenrt
from greenrt import debug, monkey

SERVER = """
import sys, time, grpc
from concurrent.futures import ThreadPoolExecutor

class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: time.sleep(0.05) or request.upper())

server = grpc.server(ThreadPoolExecutor(20), handlers=[Echo()])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(None)
"""

if "late" in sys.argv:
    import grpc
monkey.patch_all()
import grpc  # noqa: E402

assert "grpc" not in debug.blockers()
together, most, native = 0, 0, set()


def handle(request, context):
    global together, most
    together += 1
    most = max(most, together)
    native.add(threading.get_native_id())
    while most < 50:  # those that come first stay until all workers are at it
        time.sleep(0.01)
    time.sleep(0.05)
    together -= 1
    return request.upper()


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(handle)


def threads():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("Threads:")).split()[1])


def calls(port, count):
    """So many calls at once, while a ticker runs."""
    ticks = []

    def tick():
        while True:
            ticks.append(1)
            greenrt.sleep(0.001)

    ticking = greenrt.spawn(tick)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = channel.unary_unary("/test/echo")
        tasks = [greenrt.spawn(stub, b"number %d" % number, timeout=60) for number in range(count)]
        assert [task.wait(60) for task in tasks] == [b"NUMBER %d" % number for number in range(count)]
        for _ in range(1000):
            if len(ticks) > 5:
                break
            stub(b"once more", timeout=60)
    ticking.kill()
    assert len(ticks) > 5, "the others run"


server = grpc.server(ThreadPoolExecutor(50), handlers=[Echo()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
calls(port, 300)
assert most == 50, "as many handlers at once as the pool has workers"
assert native == {threading.get_native_id()}, "and all of them on this OS thread, as tasks"
assert threads() < 30, "the calls wait on a few OS threads"
server.stop(None).wait(60)

with subprocess.Popen(
    [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
) as other:
    calls(int(other.stdout.readline()), 100)
    other.stdin.close()
if "late" not in sys.argv:
    subprocess.run([sys.executable, __file__, "late"], check=True, timeout=60)
print("pass")
