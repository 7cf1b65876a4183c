"""Readers of one descriptor stand in line. Nobody is told that somebody else reads already."""

import socket

import greenrt
from greenrt import monkey

monkey.patch_all()
a, b = socket.socketpair()
readers = [greenrt.spawn(a.recv, 1) for _ in range(5)]
writers = [greenrt.spawn(a.sendall, b"x" * 1_000_000) for _ in range(2)]
greenrt.sleep(0.01)
for letter in b"abcde":
    b.send(bytes([letter]))
assert [reader.wait(60) for reader in readers] == [b"a", b"b", b"c", b"d", b"e"], "first come, first served"
taken = 0
while taken < 2_000_000:
    taken += len(b.recv(65536))
for writer in writers:
    writer.wait(60)

# one is killed, one gives up, the third is served
first, second, third = (greenrt.spawn(a.recv, 1) for _ in range(3))
greenrt.sleep(0)
first.kill()
second.kill()
b.send(b"z")
assert third.wait(60) == b"z"
print("pass")
