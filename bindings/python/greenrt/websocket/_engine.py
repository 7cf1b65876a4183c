"""The protocol of frames over bytes, by the wsproto library."""

from __future__ import annotations

import errno
from typing import Any, Optional, Union

from wsproto.frame_protocol import (  # type: ignore[import-not-found,unused-ignore]
    CloseReason,
    FrameProtocol,
    Opcode,
    ParseFailed,
)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Engine:
    """One side's frames: bytes in, messages out, and the other way round."""

    def __init__(
        self, server: bool, max_size: Optional[int], deflate: Optional[tuple[bool, bool, int, int, int]]
    ) -> None:
        self._protocol = FrameProtocol(not server, [])
        self._frames: Any = iter(())
        self._max_size = max_size
        self._parts: list[Any] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Takes bytes of the other side."""
        self._protocol.receive_bytes(data)

    def next(self) -> Any:
        """A message; (kind, data) of a ping or pong; (CLOSE, code, reason); None: more bytes are needed. OSError: the other side's fault."""
        try:
            for frame in self._protocol.received_frames():
                if frame.opcode is Opcode.CLOSE:
                    return CLOSE, int(frame.payload[0]), frame.payload[1] or ""
                if frame.opcode in (Opcode.PING, Opcode.PONG):
                    return int(frame.opcode), bytes(frame.payload)
                self._size += len(frame.payload)
                if self._max_size is not None and self._size > self._max_size:
                    raise ParseFailed("too long", CloseReason.MESSAGE_TOO_BIG)
                self._parts.append(frame.payload)
                if frame.message_finished:
                    parts, self._parts, self._size = self._parts, [], 0
                    return "".join(parts) if isinstance(parts[0], str) else b"".join(parts)
        except ParseFailed as error:
            code = {1007: errno.EILSEQ, 1009: errno.EMSGSIZE}.get(int(error.code), errno.EBADMSG)
            raise OSError(code, str(error)) from None
        return None

    def frame(self, kind: int, data: Union[bytes, bytearray, memoryview]) -> bytes:
        """The bytes of a whole message or of a control frame."""
        payload = bytes(data)
        return bytes(self._protocol._serialize_frame(Opcode(kind), payload))

    def verdict(self, error: OSError) -> tuple[int, str]:
        """The code and the words that close the WebSocket for this fault of the other side."""
        return {errno.EILSEQ: 1007, errno.EMSGSIZE: 1009}.get(error.errno or 0, 1002), error.strerror or ""
