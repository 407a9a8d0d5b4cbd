"""Requests and answers as tests put them on the wire."""

import socket
import struct

TIMEOUT_S = 10.0


class Wire:
    """A connection that sends bytes, whole requests, or both."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._sent = 0

    def send(self, request: object, version: int) -> None:
        self._sent += 1
        request.with_header(correlation_id=self._sent, client_id="test")  # type: ignore[attr-defined]
        self.frame(request.encode(version=version, header=True))  # type: ignore[attr-defined]

    def frame(self, content: bytes) -> None:
        self.socket.sendall(struct.pack(">i", len(content)) + content)

    def receive(self) -> tuple[int, bytes]:
        """Correlation id and the rest of the next answer."""
        (size,) = struct.unpack(">i", self._exactly(4))
        content = self._exactly(size)
        return struct.unpack_from(">i", content)[0], content[4:]

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            more = self.socket.recv(size - len(content))
            if not more:
                raise EOFError
            content += more
        return content

    def is_closed(self) -> bool:
        """Whether the broker closes the connection without an answer."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
