"""One TCP (or TLS) connection to a broker, on blocking sockets: bytes, frames, or whole requests.

A broker answers the requests of one connection in the order in which they came, so several can be sent
before the first answer is read (`send`, then `receive` in the same order). `send_bytes` sends anything.
One thread uses a connection at a time. Not here: reconnecting, retries, and finding the right broker.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Self

from attrs import frozen

from conformance.wire import apis
from conformance.wire.apis import Api
from conformance.wire.errors import AnswerTimedOut, ConnectionClosed, MalformedAnswer, Unreachable
from conformance.wire.produce import NO_ANSWER_ACKS, ProduceRequest
from conformance.wire.security import PLAINTEXT, Security

LENGTH = struct.Struct(">i")
FRAME_BYTES_MAX = 256 * 1024 * 1024
"""No answer that the suite asks for is larger; a greater length is taken for garbage."""


class Direction(Enum):
    """Which way a frame went."""

    SENT = "sent"
    RECEIVED = "received"


Recorder = Callable[[Direction, bytes, float], None]
"""Called with each frame (length prefix included) or raw bytes, and the wall-clock time in seconds.

The frames of a SASL log-in are left out."""


@frozen
class Ticket:
    """A request under way: what `receive` needs to read its answer."""

    api: Api
    version: int
    request: object
    correlation_id: int
    sent: bytes
    sent_at: float
    """On the monotonic clock."""
    is_answered: bool
    """False for Produce with acks 0."""


@frozen
class Exchange:
    """A request and its answer, decoded and as bytes (frames with their length prefix)."""

    api: Api
    version: int
    request: Any
    answer: Any
    """`None` if the request is one that brokers do not answer."""
    sent: bytes
    received: bytes | None
    seconds: float


class Connection:
    """A connection to one broker; a context manager that closes it."""

    def __init__(
        self,
        host: str,
        port: int,
        security: Security | None = None,
        client_id: str | None = "tidegauge",
        connect_timeout: float = 10.0,
        answer_timeout: float = 30.0,
        recorder: Recorder | None = None,
    ) -> None:
        """Connect, and log in as `security` says; `Unreachable` if that fails."""
        self.host = host
        self.port = port
        self.client_id = client_id
        self.answer_timeout = answer_timeout
        self.recorder: Recorder | None = None
        self._next_correlation_id = 0
        self._awaited: deque[Ticket] = deque()
        self._buffer = bytearray()
        security = security or PLAINTEXT
        self._socket = self._connect(security, connect_timeout)
        try:
            security.log_in(self)
        except BaseException:
            self.close()
            raise
        # Only from here on: the frames of a log-in carry passwords, and what is recorded goes into reports.
        self.recorder = recorder

    def _connect(self, security: Security, timeout: float) -> socket.socket:
        try:
            plain = socket.create_connection((self.host, self.port), timeout)
        except OSError as error:
            raise Unreachable(f"no connection to {self}: {error}; check the address and that it listens") from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return security.wrap(plain, self.host)
        except OSError as error:
            plain.close()
            raise Unreachable(f"no TLS with {self}: {error}; check the security properties") from error

    def __str__(self) -> str:
        """The broker's address."""
        return f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        """The connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; answers under way are lost."""
        self._socket.close()

    @property
    def is_awaiting(self) -> bool:
        """Whether a request is under way whose answer was not received."""
        return bool(self._awaited)

    def send_bytes(self, raw: bytes) -> None:
        """Send these bytes, whatever they are; a frame's length prefix is the caller's to write."""
        self._socket.settimeout(self.answer_timeout)
        try:
            self._socket.sendall(raw)
        except TimeoutError as error:
            raise AnswerTimedOut(f"{self} took no more bytes for {self.answer_timeout} s") from error
        except OSError as error:
            raise ConnectionClosed(f"{self} closed the connection while {len(raw)} bytes were sent: {error}") from error
        self._record(Direction.SENT, raw)

    def receive_frame(self, timeout: float | None = None) -> bytes:
        """The next whole frame, without its length prefix."""
        timeout = self.answer_timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        self._fill(LENGTH.size, deadline, timeout)
        (length,) = LENGTH.unpack_from(self._buffer)
        if not 0 <= length <= FRAME_BYTES_MAX:
            raise MalformedAnswer(f"{self} sent a frame of the length {length}", bytes(self._buffer))
        self._fill(LENGTH.size + length, deadline, timeout)
        whole = bytes(self._buffer[: LENGTH.size + length])
        del self._buffer[: LENGTH.size + length]
        self._record(Direction.RECEIVED, whole)
        return whole[LENGTH.size :]

    def _fill(self, count: int, deadline: float, timeout: float) -> None:
        """Read until the buffer holds `count` bytes."""
        while len(self._buffer) < count:
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                data = self._socket.recv(max(count - len(self._buffer), 65536))
            except TimeoutError as error:
                have = len(self._buffer)
                raise AnswerTimedOut(f"{self} sent no whole answer in {timeout} s ({have} bytes came)") from error
            except OSError as error:
                raise ConnectionClosed(f"{self} broke the connection: {error}", len(self._buffer)) from error
            if not data:
                raise ConnectionClosed(f"{self} closed the connection", len(self._buffer))
            self._buffer += data

    def send(self, api: Api, version: int, request: object) -> Ticket:
        """Send a request without awaiting its answer."""
        correlation_id = self._next_correlation_id
        header = apis.request_header(api, version, correlation_id, self.client_id)
        body = apis.encode_request(api, version, request)
        self._next_correlation_id += 1
        frame = LENGTH.pack(len(header) + len(body)) + header + body
        is_answered = not (isinstance(request, ProduceRequest) and request.acks == NO_ANSWER_ACKS)
        ticket = Ticket(api, version, request, correlation_id, frame, time.monotonic(), is_answered)
        if is_answered:
            self._awaited.append(ticket)
        self.send_bytes(frame)
        return ticket

    def receive(self, ticket: Ticket, timeout: float | None = None) -> Exchange:
        """The answer to `ticket`, which must be the oldest request whose answer was not yet received."""
        if not ticket.is_answered:
            return self._exchange(ticket, None, None)
        if not self._awaited or self._awaited[0] is not ticket:
            raise ValueError("answers come in the order of the requests: receive the older tickets first")
        frame = self.receive_frame(timeout)
        self._awaited.popleft()
        correlation_id, body = apis.split_answer(ticket.api, ticket.version, frame)
        if correlation_id != ticket.correlation_id:
            raise MalformedAnswer(
                f"{self} answered with correlation id {correlation_id}, expected {ticket.correlation_id}",
                frame,
            )
        answer = apis.decode_answer(ticket.api, ticket.version, body)
        return self._exchange(ticket, answer, LENGTH.pack(len(frame)) + frame)

    def _exchange(self, ticket: Ticket, answer: Any, received: bytes | None) -> Exchange:
        seconds = time.monotonic() - ticket.sent_at
        return Exchange(ticket.api, ticket.version, ticket.request, answer, ticket.sent, received, seconds)

    def call(self, api: Api, version: int, request: object, timeout: float | None = None) -> Exchange:
        """Send a request and await its answer, if it is one that is answered."""
        return self.receive(self.send(api, version, request), timeout)

    def expect_close(self, timeout: float) -> bool:
        """Whether the broker closes the connection within `timeout` seconds; what it sends is dropped."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                data = self._socket.recv(65536)
            except TimeoutError:
                return False
            except OSError:
                return True  # reset by the broker, which closes too
            if not data:
                return True
            if time.monotonic() >= deadline:
                return False

    def _record(self, direction: Direction, data: bytes) -> None:
        if self.recorder is not None:
            self.recorder(direction, data, time.time())
