# needs: grpc
# timeout: 120
"""gRPC beyond the plain call: streams, futures, deadlines, kills, errors, readiness, grpc.aio, and other OS threads."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import greenrt
from greenrt import monkey

monkey.patch_all()

import grpc  # noqa: E402
import grpc.aio  # noqa: E402

begun, cancelled = [], []


class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/t/upper": grpc.unary_unary_rpc_method_handler(lambda request, context: request.upper()),
            "/t/slow": grpc.unary_unary_rpc_method_handler(self.slow),
            "/t/fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/t/count": grpc.unary_stream_rpc_method_handler(self.count),
            "/t/join": grpc.stream_unary_rpc_method_handler(lambda requests, context: b"".join(requests)),
            "/t/echo": grpc.stream_stream_rpc_method_handler(lambda requests, context: requests),
        }.get(details.method)

    def slow(self, request, context):
        """Until nobody waits for it any more."""
        context.add_callback(lambda: cancelled.append(not context.is_active()))
        begun.append(request)
        while context.is_active():
            time.sleep(0.01)
        return request

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")

    def count(self, request, context):
        for number in range(int(request)):
            time.sleep(0.001)
            yield b"%d" % number


def slowly(count):
    for number in range(count):
        greenrt.sleep(0.001)
        yield b"%d" % number


def many(call, *args):
    """In ten tasks at once; what one gets."""
    tasks = [greenrt.spawn(call, *args) for _ in range(10)]
    first, *others = [task.wait(60) for task in tasks]
    assert all(other == first for other in others)
    return first


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        return error.code()
    raise AssertionError("it should not have worked")


logging.getLogger("grpc").setLevel(logging.CRITICAL)  # context.abort() logs
server = grpc.server(ThreadPoolExecutor(40), handlers=[Handlers()])
address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()
channel = grpc.insecure_channel(address)
grpc.channel_ready_future(channel).result(timeout=60)

upper, slow = channel.unary_unary("/t/upper"), channel.unary_unary("/t/slow")
assert many(upper, b"hello") == b"HELLO"
assert many(lambda: upper.with_call(b"x", timeout=60)[0]) == b"X"
assert many(lambda: upper.future(b"future").result(60)) == b"FUTURE"
assert many(lambda: b"".join(channel.unary_stream("/t/count")(b"5"))) == b"01234"
assert many(lambda: channel.stream_unary("/t/join")(slowly(5), timeout=60)) == b"01234"
assert many(lambda: b"".join(channel.stream_stream("/t/echo")(slowly(5)))) == b"01234"
told = greenrt.queue.Queue()
upper.future(b"told").add_done_callback(lambda future: told.put(future.result()))
assert told.get(timeout=60) == b"TOLD"

# What goes wrong is said as ever.
assert refusal(channel.unary_unary("/t/fail"), b"") is grpc.StatusCode.FAILED_PRECONDITION
assert refusal(channel.unary_unary("/t/none"), b"") is grpc.StatusCode.UNIMPLEMENTED
assert refusal(slow, b"", timeout=0.05) is grpc.StatusCode.DEADLINE_EXCEEDED
with grpc.insecure_channel("127.0.0.1:1") as nobody:
    assert refusal(nobody.unary_unary("/t/upper"), b"") is grpc.StatusCode.UNAVAILABLE

# A task that is killed, or out of time, cancels its call, and the handler learns of it.
with greenrt.Timeout(60):
    while len(cancelled) < len(begun):
        greenrt.sleep(0.01)
cancelled.clear()
killed = greenrt.spawn(slow, b"killed")
while b"killed" not in begun:
    greenrt.sleep(0.001)
killed.kill()
try:
    with greenrt.Timeout(2):  # in which it begins
        slow(b"late")
    raise AssertionError
except greenrt.Timeout:
    pass
with greenrt.Timeout(60):
    while cancelled != [True, True]:
        greenrt.sleep(0.01)

# On a real OS thread it waits as ever.
assert greenrt.offload(upper, b"thread", timeout=60) == b"THREAD"


async def call():
    async with grpc.aio.insecure_channel(address) as awaited:
        return await asyncio.gather(*(awaited.unary_unary("/t/upper")(b"aio") for _ in range(10)))


assert asyncio.run(call()) == [b"AIO"] * 10
assert greenrt.spawn(greenrt.aio.run, call()).wait(60) == [b"AIO"] * 10

channel.close()
server.stop(0.1).wait(60)
print("pass")
