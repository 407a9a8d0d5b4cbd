"""A server for one connection that does what a test tells it to, on loopback, in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conformance.wire.primitives import Reader, Writer

PATIENCE_S = 5.0
"""After this a test is stuck; nothing here waits so long when it passes."""


class Peer:
    """The server's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            if not more:
                raise ConnectionError(f"the client closed after {len(data)} of {count} bytes")
            data += more
        return data

    def read_request(self) -> tuple[int, int, int, Reader]:
        """The next request's API key, version, correlation id, and a reader of its body."""
        (length,) = struct.unpack(">i", self.read(4))
        reader = Reader(self.read(length))
        api, version, correlation_id = reader.int16(), reader.int16(), reader.int32()
        reader.nullable_string()
        return api, version, correlation_id, reader

    def send(self, data: bytes) -> None:
        """These bytes."""
        self.connection.sendall(data)

    def answer(self, correlation_id: int, body: bytes) -> None:
        """A frame with a header that is not flexible."""
        self.send(struct.pack(">ii", len(body) + 4, correlation_id) + body)


@contextmanager
def scripted(script: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve one connection by `script`, which must finish without an error; gives the port."""
    failures: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, script, tls, failures), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the script still waits for the client"
    if failures:
        raise failures[0]


def _serve(
    listener: socket.socket, script: Callable[[Peer], None], tls: ssl.SSLContext | None, failures: list[BaseException]
) -> None:
    listener.settimeout(PATIENCE_S)
    try:
        plain, _ = listener.accept()
        plain.settimeout(PATIENCE_S)
        with plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
            script(Peer(connection))
    except ssl.SSLError:
        plain.close()  # the client refused the server's certificate, which is what such a test is about
    except BaseException as error:  # noqa: BLE001  (carried to the test's own thread)
        failures.append(error)


def sasl_answer(error_code: int, message: str | None, token: bytes) -> bytes:
    """The body of a SaslAuthenticate answer, version 0."""
    writer = Writer()
    writer.int16(error_code)
    writer.string(message)
    writer.byte_string(token)
    return writer.written()


def handshake_answer(error_code: int, *mechanisms: str) -> bytes:
    """The body of a SaslHandshake answer."""
    writer = Writer()
    writer.int16(error_code)
    writer.array(mechanisms, writer.string)
    return writer.written()
